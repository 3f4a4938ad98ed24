// Where alerts go: each channel, what it hears, how its last delivery went, and a test of it.
import { Button, Menu } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDots, IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteChannelsName, getChannels } from '../api/sdk.gen'
import type { ListedChannel, NamedChannel } from '../api/types.gen'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Snippet } from '../parts/Copy'
import { Page } from '../parts/Page'
import { Outcome } from '../parts/Severity'
import { Coming, Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { kindText } from './alertsearch'
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
  const columns = useMemo(
    () => columnsOf({ slug, zone, sets, test: setTesting, end: setEnding }),
    [slug, zone, sets],
  )
  const add = () => navigate({ search: { new: true } })
  const leave = () => navigate({ search: {} })
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
          <AsCsv name="channels" columns={columns} rows={data ?? []} />
          {sets && (
            <Button leftSection={<IconPlus size={16} />} onClick={add}>
              Add channel
            </Button>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={3} />
      ) : data.length === 0 ? (
        <Empty title="Nobody is told yet" action={<Snippet text={ADD_CHANNEL} what="the line" />}>
          Alerts are recorded all the same. A channel brings them to where people look: Slack, Teams, Discord,
          mail, PagerDuty, Jira or a webhook of your own.{' '}
          {sets ? 'Add one above, or in a terminal:' : 'An owner or an admin adds one:'}
        </Empty>
      ) : (
        <Book caption="Channels" columns={columns} rows={data} id={(channel) => channel.name} />
      )}
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

type Acts = {
  slug: string
  zone: string
  sets: boolean
  test: (name: string) => void
  end: (name: string) => void
}

function columnsOf({ slug, zone, sets, test, end }: Acts): Column<ListedChannel>[] {
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
    {
      id: 'actions',
      title: 'Actions',
      unnamed: true,
      unsorted: true,
      value: () => null,
      shown: ({ name }) =>
        sets && (
          <Menu position="bottom-end">
            <Menu.Target>
              <Button
                variant="subtle"
                color="gray"
                c="var(--ink-quiet)"
                size="compact-sm"
                aria-label={`Actions for ${name}`}
              >
                <IconDots size={16} />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => test(name)}>Send a test…</Menu.Item>
              <Menu.Item color="var(--red)" onClick={() => end(name)}>
                Remove…
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
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
