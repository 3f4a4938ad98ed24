// Which days the page is about. One choice for everything on it, and it stands in the address.
import { Button, Group, Popover, Stack, TextInput, UnstyledButton } from '@mantine/core'
import { IconCalendar } from '@tabler/icons-react'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { hourText } from '../parts/when'
import {
  DEFAULT,
  daysOf,
  isHours,
  labelOf,
  PRESETS,
  type Preset,
  periodOf,
  type RangeSearch,
  rangeOf,
  todayIn,
} from '../range'
import { useZone } from '../session'
import { clockZone } from '../taste'

/** `hours`: the page can count by the hour. */
export function RangePicker({ hours }: { hours: boolean }) {
  const search = rangeOf(useSearch({ strict: false }))
  const navigate = useNavigate()
  const { zone } = useZone()
  const [open, setOpen] = useState(false)
  const days = daysOf(search, todayIn(zone))
  const period = periodOf(search, todayIn(zone))
  const since = hours && 'since' in period && `since ${hourText(period.since, zone)}`
  const presets = (Object.keys(PRESETS) as Preset[]).filter((one) => hours || !isHours({ range: one }))
  const go = (range: RangeSearch) => {
    setOpen(false)
    navigate({
      to: '.',
      search: ((before: Record<string, unknown>) => ({
        ...before,
        range: undefined,
        from: undefined,
        to: undefined,
        ...range,
      })) as never,
    })
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconCalendar size={16} />}
          onClick={() => setOpen(!open)}
          aria-label={`Range: ${since ? `24 h, ${since}` : labelOf(search, hours)}`}
        >
          {since ? (
            <>
              <span className="wide-only">24 h,&nbsp;</span>
              {since}
            </>
          ) : (
            labelOf(search, hours)
          )}
        </Button>
      </Popover.Target>
      <Popover.Dropdown w={328}>
        <Stack gap={2}>
          {presets.map((preset) => (
            <UnstyledButton
              key={preset}
              className="choice"
              aria-pressed={!search.from && (search.range ?? DEFAULT) === preset}
              onClick={() => go(rangeOf({ range: preset }))}
            >
              {PRESETS[preset]}
            </UnstyledButton>
          ))}
        </Stack>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            const said = new FormData(event.currentTarget)
            const chosen = rangeOf({ from: said.get('from'), to: said.get('to') })
            if (chosen.from) go(chosen)
          }}
        >
          <Group gap="xs" mt="sm" grow>
            <TextInput
              type="date"
              name="from"
              label="From"
              defaultValue={days.start}
              key={`from ${days.start}`}
            />
            <TextInput type="date" name="to" label="To" defaultValue={days.end} key={`to ${days.end}`} />
          </Group>
          <Group justify="space-between" mt="sm">
            <span className="label">
              Days of {zone}
              {clockZone(zone) !== zone && `, times of ${clockZone(zone)}`}
            </span>
            <Button type="submit" size="xs" variant="default">
              Show
            </Button>
          </Group>
        </form>
      </Popover.Dropdown>
    </Popover>
  )
}
