// Which calls: each filter as a chip that can be taken away, and the way to one more.
import { Autocomplete, Button, Popover, Select, Stack } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getExploreValues } from '../api/sdk.gen'
import { type CallSearch, chosen, FILTERS, type FilterName } from './callsearch'

export function Filters({ search, set }: { search: CallSearch; set: (more: Partial<CallSearch>) => void }) {
  return (
    <>
      {chosen(search).map((name) => (
        <span className="chip" key={name}>
          <span>
            <span className="quiet">{FILTERS[name]} is</span> {search[name]}
          </span>
          <button
            type="button"
            aria-label={`Remove the filter ${FILTERS[name]}`}
            onClick={() => set({ [name]: undefined })}
          >
            <IconX size={14} aria-hidden />
          </button>
        </span>
      ))}
      <AddFilter add={(name, value) => set({ [name]: value })} />
    </>
  )
}

function AddFilter({ add }: { add: (name: FilterName, value: string) => void }) {
  const [open, setOpen] = useState(false)
  const [name, setName] = useState<FilterName>('team')
  const [value, setValue] = useState('')
  const dimension = name === 'served_model' ? 'model' : name
  const known = useQuery({
    queryKey: ['values', dimension, value],
    queryFn: async () =>
      (await getExploreValues({ query: { dimension, contains: value }, throwOnError: true })).data.values,
    enabled: open,
  })
  const take = (text: string) => {
    if (!text.trim()) return
    add(name, text.trim())
    setValue('')
    setOpen(false)
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" trapFocus>
      <Popover.Target>
        <Button
          data-filter
          size="xs"
          variant="subtle"
          leftSection={<IconPlus size={14} />}
          onClick={() => setOpen(!open)}
        >
          Filter
        </Button>
      </Popover.Target>
      <Popover.Dropdown w={280}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            take(value)
          }}
        >
          <Stack gap="xs">
            <Select
              label="What"
              data={(Object.keys(FILTERS) as FilterName[]).map((one) => ({
                value: one,
                label: FILTERS[one],
              }))}
              value={name}
              onChange={(one) => setName(one as FilterName)}
              allowDeselect={false}
              comboboxProps={{ withinPortal: false }}
            />
            <Autocomplete
              label="Is"
              value={value}
              onChange={setValue}
              onOptionSubmit={take}
              data={known.data ?? []}
              limit={12}
              data-autofocus
              comboboxProps={{ withinPortal: false }}
            />
            <Button type="submit" size="xs">
              Add filter
            </Button>
          </Stack>
        </form>
      </Popover.Dropdown>
    </Popover>
  )
}
