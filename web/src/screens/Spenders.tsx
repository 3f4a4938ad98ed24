// The list of teams, of projects, of users or of agents: what each cost in these days beside as many before, and how close
// it is to a limit. One screen for the four, for they are read in the same way.
import { Button, Menu } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { getSpenders } from '../api/sdk.gen'
import type { Spenders as Answer, SpenderShown as Spender } from '../api/types.gen'
import { inkOf } from '../budgets'
import { FAILED, type Filter } from '../filters'
import { grouped, nanosOf, places, sum } from '../money'
import { AsCsv, type Column } from '../parts/Book'
import { Change } from '../parts/Change'
import { Snippet } from '../parts/Copy'
import { Listing } from '../parts/Listing'
import { useList } from '../parts/list'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Empty } from '../parts/states'
import { daysOf, dayText, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, type Role, useSession, useZone } from '../session'
import { callsOf, filtersOf, KINDS, type Kind, whoseOf } from '../spenders'
import { MoveProject, NewProject, NewTeam, RenameTeam } from './spenderforms'
import type { SpendersSearch } from './spendersearch'

const SEARCH_MS = 250
const MAKERS: Partial<Record<Kind, readonly Role[]>> = {
  team: ['owner', 'admin'],
  project: ['owner', 'admin', 'manager'],
}

export const Teams = () => <Spenders kind="team" />
export const Projects = () => <Spenders kind="project" />
export const Users = () => <Spenders kind="user" />
export const Agents = () => <Spenders kind="agent" />

function Spenders({ kind }: { kind: Kind }) {
  const search = useSearch({ strict: false }) as SpendersSearch
  const { slug } = useParams({ strict: false }) as { slug: string }
  const navigate = useNavigate()
  const session = useSession()
  const { zone, known } = useZone()
  const makes = may(session, ...(MAKERS[kind] ?? []))
  const [typed, setTyped] = useState(search.q ?? '')
  const [changing, setChanging] = useState<Spender | null>(null)
  const set = (more: { [name in keyof SpendersSearch]: SpendersSearch[name] | undefined }, replace = true) =>
    navigate({ to: '.', search: ((before: SpendersSearch) => ({ ...before, ...more })) as never, replace })
  const seek = useDebouncedCallback((q: string) => set({ q: q || undefined }), SEARCH_MS)
  const days = daysOf(search, todayIn(zone))
  const [first, setFirst] = useState<Answer | null>(null)
  const list = useList(
    ['spenders', kind, days, search.q ?? ''],
    async (page) => {
      const { data } = await getSpenders({
        query: { kind, ...days, contains: search.q ?? '', ...page },
        throwOnError: true,
      })
      setFirst(data)
      return data
    },
    { enabled: known },
  )
  const range = wholeDays(search, todayIn(zone))
  const columns = useMemo(() => columnsOf(kind, range, list.items), [kind, range, list.items])
  const { one, many, question } = KINDS[kind]
  const open = () => set({ new: true }, false)

  return (
    <Page
      title={many}
      question={question}
      actions={
        <>
          <AsCsv name={many.toLowerCase()} columns={columns} rows={list.all} none={!list.items.length} />
          {makes && (
            <Button leftSection={<IconPlus size={16} />} onClick={open}>
              New {one.toLowerCase()}
            </Button>
          )}
        </>
      }
    >
      <Listing
        title={many}
        columns={columns}
        list={list}
        rows={list.items}
        id={(row) => `${row.team ?? ''}/${row.name}`}
        named={(row) => row.name}
        ended={(row) => row.moved_to !== null}
        sort={search.sort ?? '-cost'}
        onSort={(sort) => set({ sort })}
        search={{
          text: typed,
          of: 'name',
          set: (text) => {
            setTyped(text ?? '')
            seek(text ?? '')
          },
        }}
        narrowed={search.q !== undefined}
        clear={() => {
          setTyped('')
          set({ q: undefined })
        }}
        empty={<None kind={kind} />}
        menu={(row) => (
          <>
            <Menu.Item
              component={Link}
              {...({
                to: '/o/$slug/explore',
                params: { slug },
                search: { ...range, group: 'model', filters: filtersOf(whoseOf(kind, row)) },
              } as object)}
            >
              Explore its spend
            </Menu.Item>
            {kind === 'team' && may(session, 'owner', 'admin') && row.name !== 'default' && (
              <Menu.Item onClick={() => setChanging(row)}>Rename…</Menu.Item>
            )}
            {kind === 'project' && makes && row.moved_to === null && (
              <Menu.Item onClick={() => setChanging(row)}>Move to another team…</Menu.Item>
            )}
          </>
        )}
      />
      {first && first.unattributed.requests > 0 && !search.q && (
        <Rest kind={kind} answer={first} range={range} slug={slug} />
      )}
      {search.new && makes && kind === 'team' && <NewTeam close={() => set({ new: undefined })} />}
      {search.new && makes && kind === 'project' && <NewProject close={() => set({ new: undefined })} />}
      {changing && kind === 'team' && <RenameTeam team={changing.name} close={() => setChanging(null)} />}
      {changing && kind === 'project' && <MoveProject project={changing} close={() => setChanging(null)} />}
    </Page>
  )
}

/** What no team, project, user or agent was named for, and the way to whose calls those are. */
function Rest({
  kind,
  answer,
  range,
  slug,
}: {
  kind: Kind
  answer: Answer
  range: RangeSearch
  slug: string
}) {
  const watches = may(useSession(), 'owner', 'admin', 'finance', 'manager', 'auditor')
  return (
    <p className="label below" data-unattributed>
      {grouped(answer.unattributed.requests)} more calls named no {kind} and cost{' '}
      <Money nanos={answer.unattributed.cost_nanos} />.{' '}
      {watches && (
        <Link to="/o/$slug/dimensions/$name" params={{ slug, name: kind }} search={range}>
          Whose they are
        </Link>
      )}
    </p>
  )
}

function columnsOf(kind: Kind, range: RangeSearch, rows: readonly Spender[]): Column<Spender>[] {
  const decimals = places(rows.map((row) => row.cost_nanos))
  const columns: Column<Spender>[] = [
    {
      id: kind,
      title: KINDS[kind].one,
      value: (row) => row.name,
      shown: (row) => (
        <>
          <SpenderLink whose={whoseOf(kind, row)} range={range} />
          {row.moved_to !== null && <span className="tag beside">now {row.moved_to}’s</span>}
        </>
      ),
    },
  ]
  if (kind === 'project')
    columns.push({
      id: 'team',
      title: 'Team',
      value: (row) => row.team,
      shown: (row) => <SpenderLink whose={{ kind: 'team', name: row.team ?? 'default' }} range={range} />,
      wide: true,
    })
  columns.push(
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (row) => nanosOf(row.cost_nanos),
      shown: (row) => (
        <Calls kind={kind} row={row} range={range}>
          <Money nanos={row.cost_nanos} decimals={decimals} />
        </Calls>
      ),
      total: <Money nanos={sum(rows.map((row) => row.cost_nanos))} decimals={decimals} />,
    },
    {
      id: 'change',
      title: 'Change',
      number: true,
      wide: true,
      value: (row) => nanosOf(row.cost_nanos) - nanosOf(row.before_cost_nanos),
      shown: (row) => <Change now={row.cost_nanos} before={row.before_cost_nanos} />,
    },
    {
      id: 'calls',
      title: 'Calls',
      number: true,
      wide: true,
      value: (row) => row.requests,
      shown: (row) => (
        <Calls kind={kind} row={row} range={range}>
          {grouped(row.requests)}
        </Calls>
      ),
    },
    { id: 'keys', title: 'Keys', number: true, wide: true, value: (row) => row.keys },
  )
  if (kind === 'team')
    columns.push({ id: 'members', title: 'Members', number: true, wide: true, value: (row) => row.members })
  columns.push(
    {
      id: 'budget',
      title: 'Budget used',
      value: (row) => row.budget?.used_percent ?? null,
      shown: (row) => <Used row={row} />,
    },
    {
      id: 'errors',
      title: 'Errors',
      number: true,
      value: (row) => row.errors,
      shown: (row) => (
        <Calls kind={kind} row={row} range={range} filters={[FAILED]}>
          {grouped(row.errors)}
        </Calls>
      ),
      hidden: true,
    },
    {
      id: 'created',
      title: 'Made',
      value: (row) => row.created_at,
      shown: (row) =>
        row.created_at ? dayText(row.created_at.slice(0, 10)) : <span className="quiet">–</span>,
      hidden: true,
    },
  )
  return columns
}

function Calls({
  kind,
  row,
  range,
  filters,
  children,
}: {
  kind: Kind
  row: Spender
  range: RangeSearch
  filters?: Filter[]
  children: ReactNode
}) {
  const { slug } = useParams({ strict: false }) as { slug: string }
  return (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, ...callsOf(whoseOf(kind, row)), ...(filters ? { filters } : {}) }}
    >
      {children}
    </Link>
  )
}

function Used({ row }: { row: Spender }) {
  const { slug } = useParams({ strict: false }) as { slug: string }
  if (!row.budget) return <span className="quiet">no budget</span>
  const percent = row.budget.used_percent
  return (
    <Link className="plain used" to="/o/$slug/budgets/$id" params={{ slug, id: String(row.budget.id) }}>
      <span className="meter wide-only" aria-hidden>
        <i style={{ width: `${Math.min(100, percent)}%`, background: inkOf(percent) }} />
      </span>
      <span>{percent} %</span>
    </Link>
  )
}

const LINES: Record<Kind, { say: string; line: string }> = {
  team: {
    say: 'A team is there once somebody makes it, a key is bound to it or a call names it.',
    line: 'tallystick keys create --team search',
  },
  project: {
    say: 'A project is there once somebody makes it, a key is bound to it or a call names it.',
    line: 'tallystick keys create --team search --project web',
  },
  user: {
    say: 'A user is there once a key is theirs or a call names them.',
    line: `curl ${window.location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer $TALLYSTICK_KEY" \\
  -H 'X-Tallystick-User: ann' \\
  -H 'X-Tallystick-Sandbox: true' \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  agent: {
    say: 'An agent is there once a key is its own or a call names it; a call that names its run too is counted run by run.',
    line: `curl ${window.location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer $TALLYSTICK_KEY" \\
  -H 'X-Tallystick-Agent: crawler' \\
  -H 'X-Tallystick-Session: run-1' \\
  -H 'X-Tallystick-Sandbox: true' \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
}

function None({ kind }: { kind: Kind }) {
  return (
    <Empty title={`No ${KINDS[kind].many.toLowerCase()} yet`}>
      <p>{LINES[kind].say}</p>
      <Snippet what="the line" text={LINES[kind].line} />
    </Empty>
  )
}
