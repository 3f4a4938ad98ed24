// The keys calls are made with: what each is for, what it cost lately, and its end.
import { Button, Menu, Switch } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconPlus } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteKeysKeyId, getKeys } from '../api/sdk.gen'
import type { Key } from '../api/types.gen'
import { AsCsv, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { nameOf } from '../parts/keynames'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { Page } from '../parts/Page'
import { Empty, Fault } from '../parts/states'
import { Views } from '../parts/Views'
import { dateText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import type { KeySearch } from './keysearch'
import { type Issued, IssuedKey, NewKey } from './NewKey'
import { Rotate } from './RotateKey'

export default function Keys() {
  const search = useSearch({ from: '/o/$slug/keys' })
  const { slug } = useParams({ from: '/o/$slug/keys' })
  const navigate = useNavigate({ from: '/o/$slug/keys' })
  const set = (more: { [name in keyof KeySearch]: KeySearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: KeySearch) => ({ ...before, ...more }) as KeySearch, replace })
  const { zone } = useZone()
  const makes = may(useSession(), 'owner', 'admin', 'manager', 'member')
  const [issued, setIssued] = useState<Issued | null>(null)
  const [ending, setEnding] = useState<readonly Key[]>([])
  const [turning, setTurning] = useState<Key | null>(null)
  const list = useList(['keys'], async (page) => {
    const { items, next_cursor } = (await getKeys({ query: page, throwOnError: true })).data
    return { items: items as Key[], next_cursor }
  })
  const shown = list.items.filter(
    (key) => (search.ended || key.status === 'active') && matches(key, search.q),
  )
  const ended = list.items.filter((key) => key.status !== 'active').length
  const columns = useMemo(() => columnsOf(zone), [zone])
  const create = () => set({ new: true }, false)

  return (
    <Page
      title="Keys"
      question="Who can make calls, and on whose account?"
      actions={
        <>
          <Views screen="keys" />
          <AsCsv
            name="keys"
            columns={columns}
            rows={async () =>
              (await list.all())
                .filter((key) => search.ended || key.status === 'active')
                .filter((key) => matches(key, search.q))
            }
            none={!shown.length}
          />
          {makes && (
            <Button leftSection={<IconPlus size={16} />} onClick={create}>
              Create key
            </Button>
          )}
        </>
      }
    >
      {issued && <IssuedKey issued={issued} close={() => setIssued(null)} />}
      <Listing
        title="Keys"
        list={list}
        rows={shown}
        columns={columns}
        id={(key) => key.id}
        named={nameOf}
        sort={search.sort ?? '-created'}
        onSort={(sort) => set({ sort })}
        ended={(key) => key.status !== 'active'}
        search={{ text: search.q, of: 'name, team, project, user', set: (q) => set({ q }) }}
        filters={
          ended > 0 && (
            <Switch
              label={`Ended keys (${ended})`}
              checked={search.ended ?? false}
              onChange={(event) => set({ ended: event.currentTarget.checked || undefined })}
            />
          )
        }
        clear={() => navigate({ search: { ended: true } })}
        none={
          search.q
            ? `Nothing ${search.ended ? '' : 'active '}has “${search.q}” in its name, team, project or user.`
            : 'All of them have ended.'
        }
        empty={
          <Empty title="No keys yet" action={makes && <Button onClick={create}>Create the first key</Button>}>
            A key stands for a team, a project or a person. Whatever is called with it is booked there, and
            its cost stands here a second later.
          </Empty>
        }
        menu={(key) => (
          <>
            <Menu.Item
              onClick={() => navigate({ to: '/o/$slug/requests', params: { slug }, search: { key: key.id } })}
            >
              Show its requests
            </Menu.Item>
            {makes && key.status === 'active' && (
              <>
                <Menu.Item onClick={() => setTurning(key)}>Rotate…</Menu.Item>
                <Menu.Item color="var(--red)" onClick={() => setEnding([key])}>
                  Revoke…
                </Menu.Item>
              </>
            )}
          </>
        )}
        bulk={(keys, clear) => {
          const active = keys.filter((key) => key.status === 'active')
          return (
            <>
              <AsCsv name="keys" columns={columns} rows={keys} small />
              {makes && (
                <Button
                  size="xs"
                  color="alarm"
                  disabled={!active.length}
                  onClick={() => {
                    setEnding(active)
                    clear()
                  }}
                >
                  Revoke {active.length}…
                </Button>
              )}
            </>
          )
        }}
      />
      {search.new && makes && (
        <NewKey
          close={() => set({ new: undefined })}
          made={(key) => {
            setIssued({ key, replaces: null })
            set({ new: undefined })
          }}
        />
      )}
      {ending.length > 0 && <End keys={ending} close={() => setEnding([])} />}
      {turning && (
        <Rotate
          apiKey={turning}
          close={() => setTurning(null)}
          made={(key) => {
            setIssued({ key, replaces: nameOf(turning) })
            setTurning(null)
          }}
        />
      )}
    </Page>
  )
}

function matches(key: Key, q?: string): boolean {
  return says(q, [key.name, key.id, key.preview, key.team, key.project, key.user])
}

function columnsOf(zone: string): Column<Key>[] {
  return [
    { id: 'name', title: 'Name', value: nameOf, shown: (key) => <Named apiKey={key} /> },
    {
      id: 'key',
      title: 'Key',
      value: (key) => key.preview ?? '',
      shown: (key) => <code>{key.preview}</code>,
      wide: true,
    },
    { id: 'team', title: 'Team', value: (key) => key.team ?? null },
    { id: 'project', title: 'Project', value: (key) => key.project ?? null, wide: true },
    { id: 'user', title: 'User', value: (key) => key.user ?? null, wide: true },
    { id: 'environment', title: 'Environment', value: (key) => key.environment ?? null, wide: true },
    { id: 'cost_center', title: 'Cost centre', value: (key) => key.cost_center ?? null, hidden: true },
    {
      id: 'created',
      title: 'Created',
      value: (key) => key.created_at,
      shown: (key) => dateText(key.created_at, zone),
      wide: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (key) => key.status,
      shown: (key) => <Status apiKey={key} zone={zone} />,
    },
    {
      id: 'id',
      title: 'Id',
      value: (key) => key.id,
      shown: (key) => <code>{key.id}</code>,
      hidden: true,
      written: true,
    },
  ]
}

function Named({ apiKey: key }: { apiKey: Key }) {
  return <span className="name">{key.name || <span className="quiet">{key.id}</span>}</span>
}

function Status({ apiKey: key, zone }: { apiKey: Key; zone: string }) {
  if (key.status === 'active') {
    return (
      <>
        <span className="tag green">Active</span>
        {key.expires_at && <span className="label"> until {dateText(key.expires_at, zone)}</span>}
      </>
    )
  }
  return (
    <>
      <span className="tag">{key.status === 'revoked' ? 'Revoked' : 'Expired'}</span>
      {(key.revoked_at ?? key.expires_at) && (
        <span className="label"> {dateText((key.revoked_at ?? key.expires_at) as string, zone)}</span>
      )}
    </>
  )
}

/** One, or several at once: what is typed to confirm is the name of the one, or how many they are. */
function End({ keys, close }: { keys: readonly Key[]; close: () => void }) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const [only] = keys
  const one = keys.length === 1 && only
  const name = one ? nameOf(one) : `revoke ${keys.length}`
  const go = async () => {
    setBusy(true)
    try {
      for (const key of keys) await deleteKeysKeyId({ path: { key_id: key.id }, throwOnError: true })
      notifications.show({
        message: `${one ? `${name} is` : `${keys.length} keys are`} revoked. Calls with ${one ? 'it' : 'them'} are refused from now on.`,
      })
      close()
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
    await queries.invalidateQueries({ queryKey: ['keys'] })
  }
  return (
    <Confirm
      title={one ? 'Revoke this key' : `Revoke ${keys.length} keys`}
      name={name}
      verb={one ? 'Revoke key' : `Revoke ${keys.length} keys`}
      busy={busy}
      close={close}
      go={go}
      fault={problem !== null && <Fault problem={problem} />}
    >
      {one ? (
        <>
          Every call with <code>{one.preview}</code> is refused within a second, everywhere, and for good. To
          replace it without a gap, rotate it instead.
        </>
      ) : (
        <>
          Every call with {keys.map(nameOf).join(', ')} is refused within a second, everywhere, and for good.
        </>
      )}
    </Confirm>
  )
}
