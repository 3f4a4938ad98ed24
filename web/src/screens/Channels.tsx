// Where alerts go: each channel, what it hears, how its last delivery went, and a test of it.
import { Button, Menu } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteChannelsName, getChannels } from '../api/sdk.gen'
import type { ListedChannel, NamedChannel } from '../api/types.gen'
import { AsCsv, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Snippet } from '../parts/Copy'
import { Listing } from '../parts/Listing'
import { says } from '../parts/list'
import { Page } from '../parts/Page'
import { Outcome } from '../parts/Severity'
import { Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { type ChannelSearch, kindText } from './alertsearch'
import { ADD_CHANNEL, CHANNELS, type ChannelKind } from './channelform'
import { Drawn, NewChannel } from './NewChannel'
import { TestChannel } from './TestChannel'

export default function Channels() {
  const search = useSearch({ from: '/o/$slug/alerts/channels' })
  const { slug } = useParams({ from: '/o/$slug/alerts/channels' })
  const navigate = useNavigate({ from: '/o/$slug/alerts/channels' })
  const { zone } = useZone()
  const sets = may(useSession(), 'owner', 'admin')
  const [made, setMade] = useState<NamedChannel | null>(null)
  const [testing, setTesting] = useState<string | null>(null)
  const [ending, setEnding] = useState<string | null>(null)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['channels'],
    queryFn: async () => (await getChannels({ throwOnError: true })).data.items,
  })
  const columns = useMemo(() => columnsOf(slug, zone), [slug, zone])
  const shown = (data ?? []).filter(({ name, kind, origin }) => says(search.q, [name, kind, origin]))
  const set = (more: { [name in keyof ChannelSearch]: ChannelSearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: ChannelSearch) => ({ ...before, ...more }) as ChannelSearch, replace })
  const add = () => set({ new: true }, false)
  const leave = () => set({ new: undefined })
  return (
    <Page
      title="Channels"
      question={
        <>
          Who hears of{' '}
          <Link to="/o/$slug/alerts" params={{ slug }}>
            alerts
          </Link>
          , and does it arrive?
        </>
      }
      actions={
        <>
          <AsCsv name="channels" columns={columns} rows={shown} />
          {sets && (
            <Button leftSection={<IconPlus size={16} />} onClick={add}>
              Add channel
            </Button>
          )}
        </>
      }
    >
      <Listing
        title="Channels"
        list={{ items: data ?? [], error, isPending, retry: refetch, more: null }}
        rows={shown}
        columns={columns}
        id={(channel) => channel.name}
        sort={search.sort ?? 'name'}
        onSort={(sort) => set({ sort })}
        search={{ text: search.q, of: 'name, kind, where it leads', set: (q) => set({ q }) }}
        clear={() => set({ q: undefined })}
        empty={
          <Empty title="Nobody is told yet" action={<Snippet text={ADD_CHANNEL} what="the line" />}>
            Alerts are recorded all the same. A channel brings them to where people look: Slack, Teams,
            Discord, mail, PagerDuty, Jira or a webhook of your own.{' '}
            {sets ? 'Add one above, or in a terminal:' : 'An owner or an admin adds one:'}
          </Empty>
        }
        menu={({ name }) =>
          sets && (
            <>
              <Menu.Item onClick={() => setTesting(name)}>Send a test…</Menu.Item>
              <Menu.Item color="var(--red)" onClick={() => setEnding(name)}>
                Remove…
              </Menu.Item>
            </>
          )
        }
      />
      {search.new && sets && (
        <NewChannel
          taken={data?.map((channel) => channel.name) ?? []}
          close={leave}
          made={(channel) => {
            setMade(channel.secret ? channel : null)
            leave()
          }}
        />
      )}
      {made && <Drawn channel={made} close={() => setMade(null)} />}
      {testing && <TestChannel name={testing} close={() => setTesting(null)} />}
      {ending && <Remove name={ending} close={() => setEnding(null)} />}
    </Page>
  )
}

function columnsOf(slug: string, zone: string): Column<ListedChannel>[] {
  return [
    { id: 'name', title: 'Name', value: (channel) => channel.name },
    {
      id: 'kind',
      title: 'Kind',
      value: (channel) => CHANNELS[channel.kind as ChannelKind]?.title ?? channel.kind,
    },
    {
      id: 'origin',
      title: 'Leads to',
      value: (channel) => channel.settings.to ?? channel.origin,
      wide: true,
    },
    { id: 'hears', title: 'Hears', value: heardBy, wide: true },
    {
      id: 'scope',
      title: 'Whose alerts',
      value: (channel) => channel.scopes.map((scope) => scope.replace(':', ' ')).join(', ') || 'everybody’s',
      wide: true,
    },
    { id: 'quiet', title: 'Quiet hours', value: quietOf, wide: true },
    {
      id: 'last_delivery',
      title: 'Last delivery',
      value: (channel) => channel.last_delivery?.state ?? null,
      shown: ({ last_delivery: last }) =>
        last ? (
          <>
            <Outcome state={last.state} />{' '}
            <Link
              className="label wide-only"
              to="/o/$slug/alerts/$id"
              params={{ slug, id: String(last.alert_id) }}
            >
              {atText(last.at, zone)}
            </Link>
          </>
        ) : (
          <span className="quiet">none yet</span>
        ),
    },
  ]
}

function heardBy({ kinds, severity }: ListedChannel): string {
  const what = kinds.length ? kinds.map(kindText).join(', ') : 'every kind'
  return severity === 'info' ? what : `${what}, from ${severity} on`
}

function quietOf({ quiet_hours, zone, breaks_through }: ListedChannel): string | null {
  if (!quiet_hours) return null
  const breaks = breaks_through === 'none' ? 'nothing breaks through' : `save ${breaks_through}`
  return `${quiet_hours} ${zone}, ${breaks}`
}

function Remove({ name, close }: { name: string; close: () => void }) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const go = async () => {
    setBusy(true)
    try {
      await deleteChannelsName({ path: { name }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: ['channels'] })
      notifications.show({ message: `${name} is removed. What waited for it is not sent.` })
      close()
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
  }
  return (
    <Confirm
      title="Remove this channel"
      name={name}
      verb="Remove channel"
      busy={busy}
      close={close}
      go={go}
      fault={problem !== null && <Fault problem={problem} />}
    >
      Nobody hears of alerts by <code>{name}</code> any more, and its address and tokens are forgotten. Alerts
      stay recorded.
    </Confirm>
  )
}
