// The budgets: how much each scope may spend, how much of it is gone or held, and when it begins anew.
import { Button, SegmentedControl, Tooltip } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type CSSProperties, useMemo } from 'react'
import { getBudgets, getKeys } from '../api/sdk.gen'
import type { Budget } from '../api/types.gen'
import { fullest, nameOf, paceOf, scopeOf, shareOf, spentBy, standingOf } from '../budgets'
import { type Home, type Leaf, treeOf } from '../budgettree'
import { AsCsv, type Column } from '../parts/Book'
import { Amount, BudgetBar } from '../parts/BudgetBar'
import { Snippet } from '../parts/Copy'
import { useBudgetFindings, WorthALook } from '../parts/Findings'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { Page } from '../parts/Page'
import { Empty } from '../parts/states'
import { Views } from '../parts/Views'
import { atText, dateText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { NewBudget, SETTERS } from './budgetforms'
import type { BudgetsSearch } from './budgetsearch'

const AGAIN_MS = 15_000
// The shortest day of a zone.
const DAY_MS = 23 * 3_600_000
const COMMAND = "tallystick budgets set --team search --limit '$500/month'"

export default function Budgets() {
  const search = useSearch({ from: '/o/$slug/budgets' })
  const { slug } = useParams({ from: '/o/$slug/budgets' })
  const navigate = useNavigate({ from: '/o/$slug/budgets' })
  const set = (more: { [name in keyof BudgetsSearch]: BudgetsSearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: BudgetsSearch) => ({ ...before, ...more }) as BudgetsSearch, replace })
  const { zone } = useZone()
  const sets = may(useSession(), ...SETTERS)
  const findings = useBudgetFindings()
  const list = useList(
    ['budgets', 'list'],
    async (page) => (await getBudgets({ query: page, throwOnError: true })).data,
    { anew: AGAIN_MS },
  )
  const shown = list.items.filter((budget) => matches(budget, search.q))
  const homes = useHomes(search.tree === true && list.items.some((budget) => budget.scope === 'key'))
  const leaves = search.tree ? treeOf(shown, homes) : shown.map(leafOf)
  const owned = list.items.some((budget) => budget.owner)
  const columns = useMemo(
    () => leafColumns(slug, zone, search.tree === true).filter((column) => owned || column.id !== 'owner'),
    [slug, zone, search.tree, owned],
  )
  const open = () => set({ new: true }, false)

  return (
    <Page
      title="Budgets"
      question="Will anybody run past their cap?"
      actions={
        <>
          <Views screen="budgets" />
          <AsCsv
            name="budgets"
            columns={WRITTEN}
            rows={async () => (await list.all()).filter((budget) => matches(budget, search.q))}
            none={!shown.length}
          />
          {sets && (
            <Button leftSection={<IconPlus size={16} />} onClick={open}>
              Set budget
            </Button>
          )}
        </>
      }
    >
      <Listing
        title="Budgets"
        list={{ ...list, items: list.items.map(leafOf) }}
        rows={leaves}
        columns={columns}
        id={(leaf) => leaf.id}
        {...(search.tree
          ? {}
          : { sort: search.sort ?? '-used', onSort: (sort: string | undefined) => set({ sort }) })}
        filters={
          list.items.length > 0 && (
            <SegmentedControl
              size="xs"
              aria-label="How they are listed"
              data={[
                { value: 'list', label: 'List' },
                { value: 'tree', label: 'Tree' },
              ]}
              value={search.tree ? 'tree' : 'list'}
              onChange={(as) => set({ tree: as === 'tree' ? true : undefined })}
            />
          )
        }
        search={{ text: search.q, of: 'scope, name, owner, note', set: (q) => set({ q }) }}
        clear={() => set({ q: undefined })}
        none={`None has “${search.q}” in its scope, name, owner or note.`}
        empty={
          <Empty title="No budgets yet" action={sets && <Button onClick={open}>Set the first budget</Button>}>
            <p>
              A budget is what a team, a project, a key or anybody else may spend in a month, a day or an
              hour. A hard one refuses the call that would not fit, before it is sent. In a terminal:
            </p>
            <Snippet text={COMMAND} what="the command" />
          </Empty>
        }
      />
      {list.items.length > 0 && (
        <WorthALook
          what="Budgets"
          items={findings}
          link={(one) => (
            <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(one.id) }}>
              {nameOf(one)}
            </Link>
          )}
        />
      )}
      {search.new && sets && (
        <NewBudget
          close={() => set({ new: undefined })}
          made={(id) => navigate({ to: '/o/$slug/budgets/$id', params: { slug, id: String(id) } })}
        />
      )}
    </Page>
  )
}

const leafOf = (budget: Budget): Leaf => ({ id: String(budget.id), depth: 0, title: '', budget })
const NOWHERE: ReadonlyMap<string, Home> = new Map()

/** Which team and project the keys belong to that have budgets; whoever may not see keys sees them beside the tree. */
function useHomes(wanted: boolean): ReadonlyMap<string, Home> {
  const sees = may(useSession(), 'owner', 'admin', 'manager', 'member')
  const { data } = useQuery({
    queryKey: ['keys', 'homes'],
    queryFn: async () => {
      const keys = (await getKeys({ query: { limit: 200 }, throwOnError: true })).data.items
      return new Map(
        keys.flatMap((key): [string, Home][] =>
          'team' in key ? [[key.id, { team: key.team, project: key.project, name: key.name || key.id }]] : [],
        ),
      )
    },
    enabled: wanted && sees,
  })
  return data ?? NOWHERE
}

function leafColumns(slug: string, zone: string, tree: boolean): Column<Leaf>[] {
  const [first, ...rest] = columnsOf(slug, zone).map(
    (column): Column<Leaf> => ({
      ...column,
      value: ({ budget }) => (budget ? column.value(budget) : null),
      shown: ({ budget }) => (budget ? (column.shown?.(budget) ?? column.value(budget)) : null),
    }),
  )
  if (!tree || !first) return first ? [first, ...rest] : rest
  const branch: Column<Leaf> = {
    ...first,
    value: (leaf) => leaf.title,
    shown: ({ budget, title, depth }) => (
      <span className="branch" style={{ '--depth': depth } as CSSProperties}>
        {budget ? (
          <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(budget.id) }}>
            {title}
          </Link>
        ) : (
          <span className="soft">{title}</span>
        )}
        {budget?.name && <span className="label wide-only"> {budget.name}</span>}
      </span>
    ),
  }
  return [branch, ...rest]
}

function matches(budget: Budget, q?: string): boolean {
  return says(q, [scopeOf(budget), budget.name, budget.owner, budget.note, budget.mode, budget.window])
}

const standing = (budget: Budget) => standingOf(budget, fullest(budget))

function used(budget: Budget): number {
  const { spent, held, limit } = standing(budget)
  return shareOf(spent + held, limit)
}

/** A day is enough, but for a window that is shorter than one. */
function resetText({ window_start }: Budget, resets: string, zone: string): string {
  const long = window_start === null || Date.parse(resets) - Date.parse(window_start) >= DAY_MS
  return long ? dateText(resets, zone) : atText(resets, zone)
}

function columnsOf(slug: string, zone: string): Column<Budget>[] {
  const amount = (name: 'spent' | 'held' | 'free', title: string): Column<Budget> => ({
    id: name,
    title,
    value: (budget) => standing(budget)[name],
    shown: (budget) => <Amount unit={budget.unit} amount={standing(budget)[name]} bare />,
    number: true,
    wide: true,
  })
  return [
    {
      id: 'scope',
      title: 'Budget',
      value: nameOf,
      shown: (budget) => <Named budget={budget} slug={slug} />,
    },
    {
      id: 'limit',
      title: 'Limit',
      value: (budget) => standing(budget).limit,
      shown: (budget) => (
        <>
          <Amount unit={budget.unit} amount={standing(budget).limit} />{' '}
          <span className="quiet">/ {budget.window}</span>
        </>
      ),
      number: true,
      wide: true,
    },
    {
      id: 'mode',
      title: 'Mode',
      value: (budget) => budget.mode,
      shown: (budget) => <span className="tag">{budget.mode}</span>,
      wide: true,
    },
    {
      id: 'used',
      title: 'Used',
      value: used,
      shown: (budget) => (
        <span className="used">
          <BudgetBar standing={standing(budget)} />
          <span>{used(budget).toFixed(1)} %</span>
        </span>
      ),
    },
    {
      id: 'pace',
      title: 'Pace',
      value: (budget) => paceOf(budget, standing(budget))?.times ?? null,
      shown: (budget) => <Paced budget={budget} />,
      number: true,
      wide: true,
    },
    {
      ...amount('spent', 'Spent'),
      shown: (budget) => {
        const spent = <Amount unit={budget.unit} amount={standing(budget).spent} bare />
        const calls = spentBy(budget, fullest(budget)?.subject || budget.value, zone)
        return calls ? (
          <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={calls}>
            {spent}
          </Link>
        ) : (
          spent
        )
      },
    },
    amount('held', 'Held'),
    amount('free', 'Free'),
    {
      id: 'resets',
      title: 'Resets',
      value: (budget) => budget.resets_at,
      shown: (budget) =>
        budget.resets_at ? resetText(budget, budget.resets_at, zone) : <span className="quiet">never</span>,
      wide: true,
    },
    {
      id: 'owner',
      title: 'Owner',
      value: (budget) => budget.owner || null,
      wide: true,
    },
  ]
}

/** A file's columns: amounts are whole numbers of the unit that stands beside them. */
const WRITTEN: readonly Column<Budget>[] = [
  { id: 'id', title: 'Id', value: (budget) => budget.id },
  { id: 'name', title: 'Name', value: (budget) => budget.name },
  { id: 'scope', title: 'Scope', value: (budget) => budget.scope },
  { id: 'value', title: 'Value', value: (budget) => budget.value },
  { id: 'window', title: 'Window', value: (budget) => budget.window },
  { id: 'zone', title: 'Zone', value: (budget) => budget.zone },
  { id: 'mode', title: 'Mode', value: (budget) => budget.mode },
  { id: 'unit', title: 'Unit', value: ({ unit }) => (unit === 'money' ? 'nano-USD' : unit) },
  { id: 'limit', title: 'Limit', value: (budget) => standing(budget).limit },
  { id: 'subject', title: 'Subject', value: (budget) => fullest(budget)?.subject ?? '' },
  { id: 'spent', title: 'Spent', value: (budget) => standing(budget).spent },
  { id: 'held', title: 'Held', value: (budget) => standing(budget).held },
  { id: 'free', title: 'Free', value: (budget) => standing(budget).free },
  { id: 'pace', title: 'Pace', value: (budget) => paceOf(budget, standing(budget))?.times.toFixed(2) ?? '' },
  { id: 'resets_at', title: 'Resets', value: (budget) => budget.resets_at },
  { id: 'owner', title: 'Owner', value: (budget) => budget.owner },
  { id: 'note', title: 'Note', value: (budget) => budget.note },
]

/** Faster than it lasts is amber. */
function Paced({ budget }: { budget: Budget }) {
  const pace = paceOf(budget, standing(budget))
  if (pace === null) return <span className="quiet">–</span>
  const fast = pace.times > 1.05
  const said = fast ? 'Ends before its time, as it goes' : 'Lasts to its end, as it goes'
  return (
    <Tooltip
      label={`${said}: ${pace.spent.toFixed(1)} % is spent, ${pace.over.toFixed(1)} % of the ${budget.window} is over`}
    >
      <span className={fast ? 'tag amber' : undefined} data-pace={pace.times.toFixed(2)}>
        {pace.times.toFixed(1)}×
      </span>
    </Tooltip>
  )
}

/** Of a budget for each of something the figures are those of who has least left, who is named. */
function Named({ budget, slug }: { budget: Budget; slug: string }) {
  return (
    <>
      <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(budget.id) }}>
        {nameOf(budget)}
      </Link>
      {budget.name && budget.nodes.length < 2 && <span className="label wide-only"> {scopeOf(budget)}</span>}
      {budget.policy !== null && <span className="label wide-only"> kept by policy {budget.policy}</span>}
      {budget.nodes.length > 1 && (
        <span className="label wide-only">
          {' '}
          {fullest(budget)?.subject}, fullest of {budget.nodes.length}
        </span>
      )}
    </>
  )
}
