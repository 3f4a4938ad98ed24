// The keys calls are made with: what each is for, what it cost lately, and its end.
import { Button, Menu, Switch, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDots, IconPlus, IconSearch } from '@tabler/icons-react'
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteKeysKeyId, getKeys } from '../api/sdk.gen'
import type { Key } from '../api/types.gen'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Page } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { dateText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import type { KeySearch } from './keysearch'
import { type Issued, IssuedKey, NewKey } from './NewKey'
import { Rotate } from './RotateKey'

const PAGE = 200

export default function Keys() {
  const search = useSearch({ from: '/o/$slug/keys' })
  const { slug } = useParams({ from: '/o/$slug/keys' })
  const navigate = useNavigate({ from: '/o/$slug/keys' })
  const session = useSession()
  const { zone } = useZone()
  const makes = may(session, 'owner', 'admin', 'manager', 'member')
  const [issued, setIssued] = useState<Issued | null>(null)
  const [ending, setEnding] = useState<Key | null>(null)
  const [turning, setTurning] = useState<Key | null>(null)
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useKeys()
  const keys = useMemo(() => data?.pages.flatMap((page) => page.items as Key[]) ?? [], [data])
  const shown = keys.filter((key) => (search.ended || key.status === 'active') && matches(key, search.q))
  const ended = keys.filter((key) => key.status !== 'active').length

  const columns = useMemo((): Column<Key>[] => {
    const columns: Column<Key>[] = [
      {
        id: 'name',
        title: 'Name',
        value: (key) => key.name || key.id,
        shown: (key) => <Named apiKey={key} />,
      },
      {
        id: 'key',
        title: 'Key',
        value: (key) => key.preview ?? '',
        shown: (key) => <code>{key.preview}</code>,
      },
      { id: 'team', title: 'Team', value: (key) => key.team ?? null },
      { id: 'project', title: 'Project', value: (key) => key.project ?? null },
      { id: 'user', title: 'User', value: (key) => key.user ?? null, wide: true },
      { id: 'environment', title: 'Environment', value: (key) => key.environment ?? null, wide: true },
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
        title: 'Actions',
        unnamed: true,
        value: (key) => key.id,
        unsorted: true,
        shown: (key) => <Act apiKey={key} slug={slug} makes={makes} end={setEnding} turn={setTurning} />,
      },
    ]
    return columns
  }, [zone, slug, makes])

  return (
    <Page
      title="Keys"
      question="Who can make calls, and on whose account?"
      actions={
        <>
          <AsCsv
            name="keys"
            columns={[...columns.slice(0, -1), { id: 'id', title: 'Id', value: (key: Key) => key.id }]}
            rows={shown}
          />
          {makes && (
            <Button
              leftSection={<IconPlus size={16} />}
              onClick={() => navigate({ search: (before: KeySearch) => ({ ...before, new: true }) })}
            >
              Create key
            </Button>
          )}
        </>
      }
    >
      {issued && <IssuedKey issued={issued} close={() => setIssued(null)} />}
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming />
      ) : keys.length === 0 ? (
        <Empty
          title="No keys yet"
          action={
            makes && (
              <Button onClick={() => navigate({ search: (before: KeySearch) => ({ ...before, new: true }) })}>
                Create the first key
              </Button>
            )
          }
        >
          A key stands for a team, a project or a person. Whatever is called with it is booked there, and its
          cost stands here a second later.
        </Empty>
      ) : (
        <>
          <div className="chips">
            <TextInput
              data-filter
              aria-label="Filter keys"
              placeholder="Filter by name, team, project, user"
              leftSection={<IconSearch size={16} />}
              w={300}
              maw="100%"
              value={search.q ?? ''}
              onChange={(event) => {
                const q = event.currentTarget.value
                navigate({
                  search: ({ q: _, ...before }: KeySearch) => (q ? { ...before, q } : before),
                  replace: true,
                })
              }}
            />
            {ended > 0 && (
              <Switch
                label={`Ended keys (${ended})`}
                checked={search.ended ?? false}
                onChange={(event) => {
                  const on = event.currentTarget.checked
                  navigate({
                    search: ({ ended: _, ...before }: KeySearch) =>
                      on ? { ...before, ended: true as const } : before,
                    replace: true,
                  })
                }}
              />
            )}
          </div>
          {shown.length === 0 ? (
            <Empty
              title="No key matches"
              action={
                <Button variant="default" onClick={() => navigate({ search: { ended: true } })}>
                  Show all keys
                </Button>
              }
            >
              Nothing active has “{search.q}” in its name, team, project or user.
            </Empty>
          ) : (
            <Book
              caption="Keys"
              columns={columns}
              rows={shown}
              id={(key) => key.id}
              sort={search.sort ?? '-created'}
              onSort={(sort) =>
                navigate({ search: (before: KeySearch) => ({ ...before, sort }), replace: true })
              }
              ended={(key) => key.status !== 'active'}
            />
          )}
          {hasNextPage && (
            <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
              More keys
            </Button>
          )}
        </>
      )}
      {search.new && makes && (
        <NewKey
          close={() => navigate({ search: ({ new: _, ...before }: KeySearch) => before })}
          made={(key) => {
            setIssued({ key, replaces: null })
            navigate({ search: ({ new: _, ...before }: KeySearch) => before })
          }}
        />
      )}
      {ending && <End apiKey={ending} close={() => setEnding(null)} />}
      {turning && (
        <Rotate
          apiKey={turning}
          close={() => setTurning(null)}
          made={(key) => {
            setIssued({ key, replaces: turning.name || turning.id })
            setTurning(null)
          }}
        />
      )}
    </Page>
  )
}

function useKeys() {
  return useInfiniteQuery({
    queryKey: ['keys'],
    queryFn: async ({ pageParam }) =>
      (
        await getKeys({
          query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
          throwOnError: true,
        })
      ).data,
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  })
}

function matches(key: Key, q?: string): boolean {
  const wanted = q?.trim().toLowerCase()
  return (
    !wanted ||
    [key.name, key.id, key.preview, key.team, key.project, key.user].some((text) =>
      text?.toLowerCase().includes(wanted),
    )
  )
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

type Acts = { apiKey: Key; slug: string; makes: boolean; end: (key: Key) => void; turn: (key: Key) => void }

function Act({ apiKey: key, slug, makes, end, turn }: Acts) {
  const name = key.name || key.id
  const navigate = useNavigate()
  return (
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
        <Menu.Item
          onClick={() => navigate({ to: '/o/$slug/requests', params: { slug }, search: { key: key.id } })}
        >
          Show its requests
        </Menu.Item>
        {makes && key.status === 'active' && (
          <>
            <Menu.Item onClick={() => turn(key)}>Rotate…</Menu.Item>
            <Menu.Item color="var(--red)" onClick={() => end(key)}>
              Revoke…
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

function End({ apiKey: key, close }: { apiKey: Key; close: () => void }) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const name = key.name || key.id
  const go = async () => {
    setBusy(true)
    try {
      await deleteKeysKeyId({ path: { key_id: key.id }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: ['keys'] })
      notifications.show({ message: `${name} is revoked. Its calls are refused from now on.` })
      close()
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
  }
  return (
    <Confirm
      title="Revoke this key"
      name={name}
      verb="Revoke key"
      busy={busy}
      close={close}
      go={go}
      fault={problem !== null && <Fault problem={problem} />}
    >
      Every call with <code>{key.preview}</code> is refused within a second, everywhere, and for good. To
      replace it without a gap, rotate it instead.
    </Confirm>
  )
}
