// The keys calls are made with: what each is for, what it cost lately, and its end.
import { Button, Menu, Switch } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { getKeys } from '../api/sdk.gen'
import type { Key } from '../api/types.gen'
import { inkOf } from '../budgets'
import { grouped, nanosOf, places, sum } from '../money'
import { AsCsv, type Column } from '../parts/Book'
import { nameOf } from '../parts/keynames'
import { type SpentKey, withSpend } from '../parts/keyspend'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { Empty } from '../parts/states'
import { Views } from '../parts/Views'
import { dateText } from '../parts/when'
import { daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import type { KeySearch } from './keysearch'
import { type Issued, IssuedKey, NewKey } from './NewKey'
import { Revoke } from './RevokeKey'
import { Rotate } from './RotateKey'

export default function Keys() {
  const search = useSearch({ from: '/o/$slug/keys' })
  const { slug } = useParams({ from: '/o/$slug/keys' })
  const navigate = useNavigate({ from: '/o/$slug/keys' })
  const set = (more: { [name in keyof KeySearch]: KeySearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: KeySearch) => ({ ...before, ...more }) as KeySearch, replace })
  const { zone, known } = useZone()
  const days = daysOf(search, todayIn(zone))
  const range = wholeDays(search, todayIn(zone))
  const makes = may(useSession(), 'owner', 'admin', 'manager', 'member')
  const [issued, setIssued] = useState<Issued | null>(null)
  const [ending, setEnding] = useState<readonly Key[]>([])
  const [turning, setTurning] = useState<Key | null>(null)
  const list = useList(
    ['keys', 'spent', days],
    async (page) => {
      const { items, next_cursor } = (await getKeys({ query: page, throwOnError: true })).data
      return { items: await withSpend(items as Key[], days), next_cursor }
    },
    { enabled: known },
  )
  const shown = list.items.filter(
    (key) => (search.ended || key.status === 'active') && matches(key, search.q),
  )
  const ended = list.items.filter((key) => key.status !== 'active').length
  const columns = useMemo(() => columnsOf(zone, slug, range, shown), [zone, slug, range, shown])
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
        sort={search.sort ?? '-cost'}
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
        clear={() => navigate({ search: { ...range, ended: true } })}
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
              onClick={() =>
                navigate({
                  to: '/o/$slug/requests',
                  params: { slug },
                  search: { ...range, key: key.id },
                })
              }
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
          made={(key, uncapped) => {
            setIssued({ key, replaces: null, uncapped })
            set({ new: undefined })
          }}
        />
      )}
      {ending.length > 0 && <Revoke keys={ending} close={() => setEnding([])} />}
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

function columnsOf(
  zone: string,
  slug: string,
  range: RangeSearch,
  keys: readonly SpentKey[],
): Column<SpentKey>[] {
  const decimals = places(keys.map((key) => key.cost_nanos))
  const toCalls = (key: SpentKey, shown: ReactNode) => (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, key: key.id, kind: 'calls' }}
    >
      {shown}
    </Link>
  )
  return [
    {
      id: 'name',
      title: 'Name',
      value: nameOf,
      shown: (key) => (
        <Link className="name" to="/o/$slug/keys/$id" params={{ slug, id: key.id }} search={range}>
          {nameOf(key)}
        </Link>
      ),
      total: 'Total of these',
    },
    {
      id: 'key',
      title: 'Key',
      value: (key) => key.preview ?? '',
      shown: (key) => <code>{key.preview}</code>,
      wide: true,
    },
    { id: 'team', title: 'Team', value: (key) => key.team ?? null, wide: true },
    { id: 'project', title: 'Project', value: (key) => key.project ?? null, wide: true },
    { id: 'user', title: 'User', value: (key) => key.user ?? null, hidden: true },
    { id: 'environment', title: 'Environment', value: (key) => key.environment ?? null, hidden: true },
    { id: 'agent', title: 'Agent', value: (key) => key.agent ?? null, hidden: true },
    { id: 'cost_center', title: 'Cost centre', value: (key) => key.cost_center ?? null, hidden: true },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (key) => nanosOf(key.cost_nanos),
      shown: (key) => toCalls(key, <Money nanos={key.cost_nanos} decimals={decimals} />),
      total: <Money nanos={sum(keys.map((key) => key.cost_nanos))} decimals={decimals} />,
    },
    {
      id: 'calls',
      title: 'Calls',
      number: true,
      wide: true,
      value: (key) => key.requests,
      shown: (key) => toCalls(key, grouped(key.requests)),
    },
    {
      id: 'cap',
      title: 'Cap used',
      value: (key) => key.cap?.used_percent ?? null,
      shown: (key) => <Cap of={key} slug={slug} />,
      wide: true,
    },
    {
      id: 'created',
      title: 'Created',
      value: (key) => key.created_at,
      shown: (key) => dateText(key.created_at, zone),
      hidden: true,
      written: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (key) => key.status,
      shown: (key) => <Status apiKey={key} zone={zone} />,
      wide: true,
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

function Cap({ of: { cap }, slug }: { of: SpentKey; slug: string }) {
  if (!cap) return <span className="quiet">no cap</span>
  const percent = cap.used_percent ?? 0
  return (
    <Link className="plain used" to="/o/$slug/budgets/$id" params={{ slug, id: cap.budget }}>
      <span className="meter" aria-hidden>
        <i style={{ width: `${Math.min(100, percent)}%`, background: inkOf(percent) }} />
      </span>
      <span>{percent.toFixed(0)} %</span>
    </Link>
  )
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
