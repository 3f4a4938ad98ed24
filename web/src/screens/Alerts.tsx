// The inbox: what was raised and is not over, what somebody sees to, and what is over.
import { Button, SegmentedControl, Select, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getAlerts, getChannels } from '../api/sdk.gen'
import type { Alert } from '../api/types.gen'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Snippet } from '../parts/Copy'
import { Page } from '../parts/Page'
import { SeverityMark } from '../parts/Severity'
import { Coming, Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { type Session, useSession, useZone } from '../session'
import {
  type AlertSearch,
  byText,
  gravity,
  kindText,
  SEVERITIES,
  type Severity,
  STANDINGS,
  type Standing,
  scopeOf,
  standingOf,
  wanted,
} from './alertsearch'
import { ADD_CHANNEL } from './channelform'
import { Mutes } from './Mutes'

const PAGE = 200
const ANEW_MS = 15_000

export default function Alerts() {
  const search = useSearch({ from: '/o/$slug/alerts' })
  const { slug } = useParams({ from: '/o/$slug/alerts' })
  const navigate = useNavigate({ from: '/o/$slug/alerts' })
  const { zone } = useZone()
  const self = useSession().account
  const show = search.show ?? 'open'
  const set = (more: Partial<AlertSearch>) =>
    navigate({ search: (before: AlertSearch) => ({ ...before, ...more }), replace: 'q' in more })
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInbox(
    show !== 'resolved',
  )
  const alerts = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  const shown = useMemo(() => alerts.filter((alert) => wanted(alert, search)), [alerts, search])
  const columns = useMemo(() => columnsOf(slug, zone, self), [slug, zone, self])

  return (
    <Page
      title="Alerts"
      question="What needs somebody now?"
      actions={
        <>
          <AsCsv name={`alerts-${show}`} columns={[...columns, ...MORE]} rows={shown} />
          <Button
            variant="default"
            onClick={() => navigate({ to: '/o/$slug/alerts/channels', params: { slug } })}
          >
            Channels
          </Button>
        </>
      }
    >
      <div className="chips">
        <SegmentedControl
          size="xs"
          aria-label="Which alerts"
          data={(Object.keys(STANDINGS) as Standing[]).map((one) => ({ value: one, label: STANDINGS[one] }))}
          value={show}
          onChange={(one) => set({ show: one === 'open' ? undefined : (one as Standing) })}
        />
        <Select
          size="xs"
          w={150}
          aria-label="Severity"
          placeholder="Any severity"
          clearable
          data={(Object.keys(SEVERITIES) as Severity[]).map((one) => ({
            value: one,
            label: SEVERITIES[one],
          }))}
          value={search.severity ?? null}
          onChange={(one) => set({ severity: (one as Severity | null) ?? undefined })}
        />
        <TextInput
          data-filter
          size="xs"
          w={240}
          maw="100%"
          aria-label="Filter alerts"
          placeholder="Filter by title, kind, scope"
          leftSection={<IconSearch size={16} />}
          value={search.q ?? ''}
          onChange={(event) => set({ q: event.currentTarget.value || undefined })}
        />
      </div>
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming />
      ) : shown.length === 0 ? (
        <Nothing slug={slug} search={search} clear={() => navigate({ search: { show: search.show } })} />
      ) : (
        <Book
          caption="Alerts"
          columns={columns}
          rows={shown}
          id={(alert) => String(alert.id)}
          sort={search.sort ?? '-raised'}
          onSort={(sort) => set({ sort })}
        />
      )}
      {hasNextPage && (
        <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Older alerts
        </Button>
      )}
      <Mutes zone={zone} />
    </Page>
  )
}

function useInbox(open: boolean) {
  return useInfiniteQuery({
    queryKey: ['alerts', 'inbox', open],
    queryFn: async ({ pageParam }) =>
      (
        await getAlerts({
          query: { open, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
          throwOnError: true,
        })
      ).data,
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: ANEW_MS,
  })
}

function columnsOf(slug: string, zone: string, self: Session['account']): Column<Alert>[] {
  return [
    {
      id: 'severity',
      title: 'Severity',
      value: (alert) => gravity(alert.severity),
      shown: (alert) => <SeverityMark severity={alert.severity} />,
    },
    {
      id: 'title',
      title: 'What',
      value: (alert) => alert.title,
      shown: (alert) => (
        <Link to="/o/$slug/alerts/$id" params={{ slug, id: String(alert.id) }} title={alert.title}>
          {alert.title}
        </Link>
      ),
    },
    {
      id: 'raised',
      title: 'Raised',
      value: (alert) => alert.raised_at,
      shown: (alert) => atText(alert.raised_at, zone),
    },
    { id: 'scope', title: 'Whose', value: (alert) => scopeOf(alert) || null, wide: true },
    { id: 'kind', title: 'Kind', value: (alert) => kindText(alert.kind), wide: true },
    {
      id: 'standing',
      title: 'Seen to by',
      value: (alert) => (alert.resolved_at ? alert.resolution : alert.acknowledged_by),
      shown: (alert) =>
        alert.resolved_at ? (
          <span className="label" title={alert.resolution ?? ''}>
            {alert.resolution}
          </span>
        ) : alert.acknowledged_by ? (
          byText(alert.acknowledged_by, self)
        ) : (
          <span className="quiet">–</span>
        ),
      wide: true,
    },
  ]
}

/** What a file has besides: the words behind the marks. */
const MORE: Column<Alert>[] = [
  { id: 'severity_word', title: 'Severity', value: (alert) => alert.severity },
  { id: 'state', title: 'State', value: standingOf },
  { id: 'text', title: 'Text', value: (alert) => alert.text },
  { id: 'note', title: 'Note', value: (alert) => alert.note },
  { id: 'resolved_at', title: 'Resolved', value: (alert) => alert.resolved_at },
  { id: 'id', title: 'Id', value: (alert) => alert.id },
]

function Nothing({ slug, search, clear }: { slug: string; search: AlertSearch; clear: () => void }) {
  const channels = useQuery({
    queryKey: ['channels'],
    queryFn: async () => (await getChannels({ throwOnError: true })).data.items,
  })
  if (search.q || search.severity)
    return (
      <Empty
        title="No alert matches"
        action={
          <Button variant="default" onClick={clear}>
            Clear the filters
          </Button>
        }
      >
        None of these alerts is like that.
      </Empty>
    )
  if (search.show)
    return <Empty title={NONE[search.show]}>Alerts are kept; what is open stands under Open.</Empty>
  return channels.data?.length === 0 ? (
    <Empty title="Nothing needs anybody" action={<Snippet text={ADD_CHANNEL} what="the line" />}>
      Budgets that fill up, keys that end and models without a price are told here. So that somebody also
      hears of it,{' '}
      <Link to="/o/$slug/alerts/channels" params={{ slug }} search={{ new: true }}>
        add a channel
      </Link>
      : chat, mail, a webhook. Or in a terminal:
    </Empty>
  ) : (
    <Empty title="Nothing needs anybody">
      A budget that fills up, a key that ends, a model without a price would stand here, and be told by your
      channels.
    </Empty>
  )
}

const NONE: Record<Standing, string> = {
  open: 'Nothing is open',
  acknowledged: 'Nobody sees to anything now',
  resolved: 'Nothing was resolved yet',
}
