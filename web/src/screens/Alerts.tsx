// The inbox: what was raised and is not over, what somebody sees to, and what is over.
import { Button, SegmentedControl, Select } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { getAlerts, getChannels, postAlertsAlertIdAcknowledge } from '../api/sdk.gen'
import type { Alert } from '../api/types.gen'
import { AsCsv, type Column } from '../parts/Book'
import { Snippet } from '../parts/Copy'
import { Listing } from '../parts/Listing'
import { useList } from '../parts/list'
import { Page } from '../parts/Page'
import { useWho } from '../parts/people'
import { SeverityMark } from '../parts/Severity'
import { Empty } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import {
  type AlertSearch,
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

const ANEW_MS = 15_000

export default function Alerts() {
  const search = useSearch({ from: '/o/$slug/alerts' })
  const { slug } = useParams({ from: '/o/$slug/alerts' })
  const navigate = useNavigate({ from: '/o/$slug/alerts' })
  const { zone } = useZone()
  const who = useWho()
  const show = search.show ?? 'open'
  const set = (more: Partial<AlertSearch>) =>
    navigate({ search: (before: AlertSearch) => ({ ...before, ...more }), replace: 'q' in more })
  const list = useList(
    ['alerts', 'inbox', show !== 'resolved'],
    async (page) =>
      (await getAlerts({ query: { ...page, open: show !== 'resolved' }, throwOnError: true })).data,
    { anew: ANEW_MS },
  )
  const shown = useMemo(() => list.items.filter((alert) => wanted(alert, search)), [list.items, search])
  const columns = useMemo(() => [...columnsOf(slug, zone, who), ...MORE], [slug, zone, who])

  return (
    <Page
      title="Alerts"
      question="What needs somebody now?"
      actions={
        <>
          <AsCsv
            name={`alerts-${show}`}
            columns={columns}
            rows={async () => (await list.all()).filter((alert) => wanted(alert, search))}
            none={!shown.length}
          />
          <Button
            variant="default"
            onClick={() => navigate({ to: '/o/$slug/alerts/channels', params: { slug } })}
          >
            Channels
          </Button>
        </>
      }
    >
      <Listing
        title="Alerts"
        older="Older alerts"
        list={{ ...list, items: list.items.filter((alert) => standingOf(alert) === show) }}
        rows={shown}
        columns={columns}
        id={(alert) => String(alert.id)}
        named={(alert) => alert.title}
        sort={search.sort ?? '-raised'}
        onSort={(sort) => set({ sort })}
        search={{ text: search.q, of: 'title, kind, scope', set: (q) => set({ q }) }}
        filters={
          <>
            <SegmentedControl
              size="xs"
              aria-label="Which alerts"
              data={(Object.keys(STANDINGS) as Standing[]).map((one) => ({
                value: one,
                label: STANDINGS[one],
              }))}
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
          </>
        }
        clear={() => set({ q: undefined, severity: undefined })}
        none="None of these alerts is like that."
        empty={<Nothing slug={slug} show={search.show} />}
        bulk={(alerts, clear) => <Bulk alerts={alerts} columns={columns} clear={clear} />}
      />
      <Mutes zone={zone} />
    </Page>
  )
}

/** What many alerts at once can have done with them. */
function Bulk({
  alerts,
  columns,
  clear,
}: {
  alerts: readonly Alert[]
  columns: readonly Column<Alert>[]
  clear: () => void
}) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const acts = may(useSession(), 'owner', 'admin', 'finance')
  const open = alerts.filter((alert) => standingOf(alert) === 'open')
  const acknowledge = async () => {
    setBusy(true)
    try {
      for (const alert of open)
        await postAlertsAlertIdAcknowledge({ path: { alert_id: alert.id }, body: {}, throwOnError: true })
      notifications.show({ message: `You see to ${open.length === 1 ? 'it' : `${open.length} alerts`}.` })
      clear()
    } catch (problem) {
      notifications.show({ color: 'alarm', title: 'That did not work', message: (problem as Error).message })
    }
    setBusy(false)
    await queries.invalidateQueries({ queryKey: ['alerts'] })
  }
  return (
    <>
      <AsCsv name="alerts" columns={columns} rows={alerts} small />
      {acts && (
        <Button size="xs" disabled={!open.length} loading={busy} onClick={acknowledge}>
          Acknowledge {open.length}
        </Button>
      )}
    </>
  )
}

function columnsOf(slug: string, zone: string, who: (id: string) => string): Column<Alert>[] {
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
        <div className="lines">
          <Link to="/o/$slug/alerts/$id" params={{ slug, id: String(alert.id) }}>
            {alert.title}
          </Link>
          <span className="label narrow-only">{atText(alert.raised_at, zone)}</span>
        </div>
      ),
    },
    {
      id: 'raised',
      title: 'Raised',
      value: (alert) => alert.raised_at,
      shown: (alert) => atText(alert.raised_at, zone),
      wide: true,
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
          who(alert.acknowledged_by)
        ) : (
          <span className="quiet">–</span>
        ),
      wide: true,
    },
  ]
}

/** What a file has besides: the words behind the marks. */
const MORE: Column<Alert>[] = [
  { id: 'severity_word', title: 'Severity', value: (alert) => alert.severity, hidden: true, written: true },
  { id: 'state', title: 'State', value: standingOf, hidden: true, written: true },
  { id: 'text', title: 'Text', value: (alert) => alert.text, hidden: true, written: true },
  { id: 'note', title: 'Note', value: (alert) => alert.note, hidden: true, written: true },
  { id: 'resolved_at', title: 'Resolved', value: (alert) => alert.resolved_at, hidden: true, written: true },
  { id: 'id', title: 'Id', value: (alert) => alert.id, hidden: true, written: true },
]

function Nothing({ slug, show }: { slug: string; show: Standing | undefined }) {
  const channels = useQuery({
    queryKey: ['channels'],
    queryFn: async () => (await getChannels({ throwOnError: true })).data.items,
  })
  if (show) return <Empty title={NONE[show]}>Alerts are kept; what is open stands under Open.</Empty>
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
