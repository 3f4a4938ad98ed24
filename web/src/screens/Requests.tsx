// Every call, the newest first: what it was, whose it was, what it cost.
import { Autocomplete, Button, Popover, SegmentedControl, Select, Stack, Switch } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { getExploreValues, getRequests } from '../api/sdk.gen'
import { type CallItem, verdictOf } from '../calls'
import { grouped, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { daysOf, todayIn } from '../range'
import { useZone } from '../session'
import { type CallSearch, FILTERS, type FilterName, KINDS, type Kind } from './callsearch'

const PAGE = 100
const FOLLOW_MS = 2000

export default function Requests() {
  const search = useSearch({ from: '/o/$slug/requests' })
  const { slug } = useParams({ from: '/o/$slug/requests' })
  const navigate = useNavigate({ from: '/o/$slug/requests' })
  const { zone, known } = useZone()
  const set = (more: Partial<CallSearch>) =>
    navigate({ search: (before: CallSearch) => clean({ ...before, ...more }) })
  const filters = (Object.keys(FILTERS) as FilterName[]).filter((name) => search[name] !== undefined)
  const { start, end } = daysOf(search, todayIn(zone))
  const asked = {
    start,
    end,
    kind: search.kind ?? 'all',
    ...Object.fromEntries(filters.map((name) => [name, search[name]])),
  }
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: ['requests', asked],
      queryFn: async ({ pageParam }) =>
        (
          await getRequests({
            query: { ...asked, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
            throwOnError: true,
          })
        ).data,
      initialPageParam: '',
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      enabled: known,
      refetchInterval: search.follow ? FOLLOW_MS : false,
    })
  const calls = useMemo(
    () => data?.pages.flatMap((page) => page.items as unknown as CallItem[]) ?? [],
    [data],
  )
  const decimals = places(calls.map((call) => call.cost_nanos))
  const columns = useMemo(() => columnsOf(slug, zone, decimals), [slug, zone, decimals])

  return (
    <Page
      title="Requests"
      question="What was called, on whose account, and what did each call cost?"
      actions={
        <>
          {search.follow && <span className="live-dot" aria-hidden />}
          <Switch
            label="Follow"
            checked={search.follow ?? false}
            onChange={(event) => set({ follow: event.currentTarget.checked || undefined })}
          />
          <AsCsv
            name={`requests-${start}-${end}`}
            columns={[...columns, { id: 'id', title: 'Id', value: (call: CallItem) => call.id }]}
            rows={calls}
          />
        </>
      }
    >
      <div className="chips">
        <SegmentedControl
          size="xs"
          aria-label="Kind of call"
          data={(Object.keys(KINDS) as Kind[]).map((kind) => ({ value: kind, label: KINDS[kind] }))}
          value={search.kind ?? 'all'}
          onChange={(kind) => set({ kind: kind === 'all' ? undefined : (kind as Kind) })}
        />
        {filters.map((name) => (
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
      </div>
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : calls.length === 0 ? (
        filters.length || search.kind ? (
          <Empty
            title="No call matches"
            action={
              <Button
                variant="default"
                onClick={() =>
                  navigate({ search: ({ range, from, to }: CallSearch) => clean({ range, from, to }) })
                }
              >
                Clear the filters
              </Button>
            }
          >
            Within these days there is none like that. A wider range is chosen top right.
          </Empty>
        ) : (
          <Empty
            title="No calls in these days"
            action={
              <Link to="/o/$slug/keys" params={{ slug }} search={{ new: true }}>
                Create a key
              </Link>
            }
          >
            A call stands here a second after it ended. With a new key come the lines that make a first one;
            they need no provider’s account.
          </Empty>
        )
      ) : (
        <>
          <Book
            caption="Requests"
            columns={columns}
            rows={calls}
            id={(call) => `${call.id} ${call.attempt}`}
          />
          {hasNextPage && !search.follow && (
            <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
              Older calls
            </Button>
          )}
        </>
      )}
    </Page>
  )
}

function columnsOf(slug: string, zone: string, decimals: number): Column<CallItem>[] {
  return [
    {
      id: 'at',
      title: 'Time',
      value: (call) => call.at,
      shown: (call) => (
        <Link to="/o/$slug/requests/$id" params={{ slug, id: call.id }}>
          {atText(call.at, zone)}
        </Link>
      ),
    },
    {
      id: 'model',
      title: 'Model',
      value: (call) => call.served_model ?? call.requested_model,
      shown: (call) => <Model call={call} />,
    },
    { id: 'provider', title: 'Provider', value: (call) => call.provider, wide: true },
    { id: 'team', title: 'Team', value: (call) => call.team, wide: true },
    { id: 'project', title: 'Project', value: (call) => call.project, wide: true },
    { id: 'user', title: 'User', value: (call) => call.user, wide: true },
    {
      id: 'input_tokens',
      title: 'In',
      value: (call) => call.usage?.input ?? null,
      shown: (call) => count(call.usage?.input),
      number: true,
      wide: true,
    },
    {
      id: 'output_tokens',
      title: 'Out',
      value: (call) => call.usage?.output ?? null,
      shown: (call) => count(call.usage?.output),
      number: true,
      wide: true,
    },
    {
      id: 'latency_ms',
      title: 'Latency',
      value: (call) => call.latency_ms,
      shown: (call) => latency(call.latency_ms),
      number: true,
      wide: true,
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      value: (call) => nanosOf(call.cost_nanos),
      shown: (call) => <Cost call={call} decimals={decimals} />,
      number: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (call) => verdictOf(call).text,
      shown: (call) => <Verdict call={call} />,
    },
  ]
}

export function Verdict({ call }: { call: Parameters<typeof verdictOf>[0] }) {
  const { text, tone } = verdictOf(call)
  return tone === 'green' ? (
    <span className="quiet">{text}</span>
  ) : (
    <span className={`tag ${tone}`}>{text}</span>
  )
}

function Model({ call }: { call: CallItem }) {
  return (
    <span title={call.requested_model ?? undefined}>
      {call.served_model ?? call.requested_model ?? <span className="quiet">–</span>}
    </span>
  )
}

function Cost({ call, decimals }: { call: CallItem; decimals: number }) {
  if (call.state === 'open') return <span className="quiet">…</span>
  if (call.sandbox && call.would_be_cost_nanos !== null)
    return (
      <span className="quiet">
        would be <Money nanos={call.would_be_cost_nanos} />
      </span>
    )
  if (call.method === 'unpriced') return <span className="tag amber">unpriced</span>
  return <Money nanos={call.cost_nanos} note={call.method ?? undefined} decimals={decimals} />
}

const count = (tokens?: number) => (tokens === undefined ? <span className="quiet">–</span> : grouped(tokens))
const latency = (ms: number | null) =>
  ms === null ? (
    <span className="quiet">–</span>
  ) : ms < 10_000 ? (
    `${grouped(ms)} ms`
  ) : (
    `${grouped(Math.round(ms / 1000))} s`
  )

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
  const chosen = (text: string) => {
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
            chosen(value)
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
              onOptionSubmit={chosen}
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

function clean(search: CallSearch): CallSearch {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as CallSearch
}
