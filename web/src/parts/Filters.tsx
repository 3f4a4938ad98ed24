// Which calls a screen is about: each filter as a chip that can be taken away, and the form for one more.
import { Button, MultiSelect, Popover, Select, Stack, TextInput } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getExplore, getExploreValues, getKeys } from '../api/sdk.gen'
import {
  added,
  CUSTOM,
  DIMENSIONS,
  FILTERS_MAX,
  type Filter,
  filterText,
  isDimension,
  TESTS,
  type Test,
  testText,
  titleOf,
  valuesText,
} from '../filters'
import { grouped } from '../money'
import { Problem } from '../problem'
import type { Period } from '../range'
import { nameOf } from './keynames'

const KEYS_MAX = 200
const SHOWN_MAX = 20
const WAYS = { ...TESTS, empty: 'is empty', named: 'is not empty' } as const
type Way = keyof typeof WAYS
type Choice = { value: string; label: string; calls?: number }

/** `days`: those in which values are counted. */
export function Filters({
  filters,
  set,
  nameOfKey,
  days,
}: {
  filters: readonly Filter[]
  set: (filters: Filter[]) => void
  nameOfKey: (id: string) => string
  days?: Period
}) {
  const said = (one: Filter) => (one.dimension === 'key' ? nameOfKey : undefined)
  return (
    <>
      {filters.map((one, place) => (
        <span className="chip" key={filterText(one)}>
          <span>
            <span className="quiet">
              {titleOf(one.dimension)} {testText(one.test, one.values)}
            </span>{' '}
            {valuesText(one.values, said(one))}
          </span>
          <button
            type="button"
            aria-label={`Remove the filter ${filterText(one, said(one))}`}
            onClick={() => set(filters.filter((_, at) => at !== place))}
          >
            <IconX size={14} aria-hidden />
          </button>
        </span>
      ))}
      {filters.length < FILTERS_MAX && <AddFilter add={(more) => set(added(filters, more))} days={days} />}
    </>
  )
}

function AddFilter({ add, days }: { add: (filter: Filter) => void; days: Period | undefined }) {
  const [open, setOpen] = useState(false)
  const [dimension, setDimension] = useState('team')
  const [way, setWay] = useState<Way>('is')
  const [values, setValues] = useState<string[]>([])
  const [text, setText] = useState('')
  const filter: Filter =
    way === 'empty' || way === 'named'
      ? { dimension, test: way === 'empty' ? 'is' : 'is_not', values: [null] }
      : { dimension, test: way as Test, values: way === 'contains' ? [text.trim()].filter(Boolean) : values }
  const clear = () => {
    setValues([])
    setText('')
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
      <Popover.Dropdown w={300}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (!filter.values.length) return
            add(filter)
            clear()
            setOpen(false)
          }}
        >
          <Stack gap="xs">
            <DimensionSelect
              label="What"
              value={dimension}
              set={(one) => {
                setDimension(one)
                clear()
              }}
            />
            <Select
              label="How"
              data={(Object.keys(WAYS) as Way[]).map((one) => ({ value: one, label: WAYS[one] }))}
              value={way}
              onChange={(one) => setWay(one as Way)}
              allowDeselect={false}
              comboboxProps={{ withinPortal: false }}
            />
            {way === 'contains' && (
              <TextInput label="Text" value={text} onChange={(event) => setText(event.currentTarget.value)} />
            )}
            {(way === 'is' || way === 'is_not') && (
              <Values dimension={dimension} values={values} set={setValues} days={days} />
            )}
            <Button type="submit" size="xs" disabled={!filter.values.length}>
              Add filter
            </Button>
          </Stack>
        </form>
      </Popover.Dropdown>
    </Popover>
  )
}

/** Names that calls carry, and how many of them do in these days. */
function Values({
  dimension,
  values,
  set,
  days,
}: {
  dimension: string
  values: string[]
  set: (values: string[]) => void
  days: Period | undefined
}) {
  const [typed, setTyped] = useState('')
  const [open, setOpen] = useState(false)
  const contains = dimension === 'key' ? '' : typed
  const known = useQuery({
    queryKey: ['choices', dimension, contains, days],
    queryFn: () => choices(dimension, contains, days),
  })
  const found = known.data ?? []
  const kept = values.filter((value) => !found.some((one) => one.value === value))
  return (
    <MultiSelect
      label="Names"
      data-autofocus
      searchable
      hidePickedOptions
      data={[...kept.map((value) => ({ value, label: value })), ...found]}
      value={values}
      onChange={(chosen) => {
        set(chosen)
        setTyped('')
        // What lies beneath the list is the button that one wants next.
        setOpen(false)
      }}
      dropdownOpened={open}
      onDropdownOpen={() => setOpen(true)}
      onDropdownClose={() => setOpen(false)}
      searchValue={typed}
      onSearchChange={setTyped}
      limit={SHOWN_MAX}
      renderOption={({ option }) => (
        <span className="choice-of">
          <span>{option.label}</span>
          <span className="quiet">
            {(option as Choice).calls ? grouped((option as Choice).calls as number) : ''}
          </span>
        </span>
      )}
      nothingFoundMessage={known.isPending ? 'Looking …' : 'No such name'}
      comboboxProps={{ withinPortal: false }}
    />
  )
}

async function choices(dimension: string, contains: string, days: Period | undefined): Promise<Choice[]> {
  const [all, counts] = await Promise.all([names(dimension, contains), countsOf(dimension, contains, days)])
  const told = new Map(all.map((one) => [one.value, one]))
  for (const [value, calls] of counts) {
    const one = told.get(value)
    if (one) one.calls = calls
    else if (value.toLowerCase().includes(contains.toLowerCase()))
      told.set(value, { value, label: value, calls })
  }
  return [...told.values()].sort((a, b) => (b.calls ?? 0) - (a.calls ?? 0))
}

/** How many calls carry each name in these days, the most frequent of them. */
async function countsOf(
  dimension: string,
  contains: string,
  days: Period | undefined,
): Promise<Map<string, number>> {
  const filters = contains ? JSON.stringify([{ dimension, test: 'contains', values: [contains] }]) : undefined
  const { series } = (
    await getExplore({
      query: {
        ...days,
        group: [dimension],
        grain: 'none',
        metric: 'requests',
        top: SHOWN_MAX,
        ...(filters ? { filters } : {}),
      },
      throwOnError: true,
    })
  ).data
  return new Map(
    series.flatMap(({ names: [name], requests }) =>
      typeof name === 'string' ? [[name, requests] as const] : [],
    ),
  )
}

async function names(dimension: string, contains: string): Promise<Choice[]> {
  if (dimension === 'key') {
    try {
      const keys = (await getKeys({ query: { limit: KEYS_MAX }, throwOnError: true })).data.items
      return keys.map((key) => ({
        value: key.id,
        label: key.id === nameOf(key) ? key.id : `${nameOf(key)} (${key.id})`,
      }))
    } catch (problem) {
      // Whoever may not see keys sees the ids that calls carry.
      if (!(problem instanceof Problem && problem.status === 403)) throw problem
    }
  }
  const { values } = (await getExploreValues({ query: { dimension, contains }, throwOnError: true })).data
  return values.map((value) => ({ value, label: value }))
}

/** One of the dimensions, or `dimension.NAME` as somebody types it. */
export function DimensionSelect({
  label,
  value,
  set,
  none,
  without,
}: {
  label: string
  value: string
  set: (dimension: string) => void
  none?: string
  without?: string
}) {
  const [typed, setTyped] = useState('')
  const own = [...new Set([value, typed.trim()])].filter((one) => one.startsWith(CUSTOM) && isDimension(one))
  return (
    <Select
      label={label}
      size={none ? 'xs' : 'sm'}
      searchable
      openOnFocus={false}
      selectFirstOptionOnChange
      data={[
        ...(none ? [{ value: 'none', label: none }] : []),
        ...Object.entries(DIMENSIONS)
          .filter(([name]) => name !== without)
          .map(([name, title]) => ({ value: name, label: title })),
        ...own.map((name) => ({ value: name, label: name })),
      ]}
      value={value}
      onChange={(one) => one && set(one)}
      onSearchChange={setTyped}
      nothingFoundMessage="dimension.NAME is one of your own"
      allowDeselect={false}
      comboboxProps={{ withinPortal: none !== undefined }}
    />
  )
}
