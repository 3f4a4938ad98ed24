// What a team, project, user or agent has: limits, projects, keys and people.
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { getSpenders } from '../api/sdk.gen'
import type {
  OneSpender,
  TeamPerson as Person,
  SpenderShown as Spender,
  SpenderBudget,
  SpenderKey,
} from '../api/types.gen'
import { amountOf, MODES, type Standing, shareOf, type Unit } from '../budgets'
import { grouped, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Amount, BudgetBar } from '../parts/BudgetBar'
import { Change } from '../parts/Change'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Coming, Fault } from '../parts/states'
import type { Days, RangeSearch } from '../range'
import { may, useSession } from '../session'
import { KINDS, scopeOf, type Whose, whoseOf } from '../spenders'

/** Its budgets, the fullest first. */
export function Limits({ whose, one }: { whose: Whose; one: OneSpender }) {
  const { slug } = useParams({ strict: false }) as { slug: string }
  const sets = may(useSession(), 'owner', 'admin', 'finance', 'manager')
  return (
    <Section
      title="Limits"
      end={
        sets && (
          <Link to="/o/$slug/budgets" params={{ slug }} search={{ new: true }}>
            Set a budget
          </Link>
        )
      }
    >
      {one.budgets.length ? (
        <Book
          caption="Limits"
          columns={limitColumns(whose, slug)}
          rows={one.budgets}
          id={(budget) => String(budget.id)}
        />
      ) : (
        <p className="nothing">
          No budget is on this {whose.kind}. With one, its calls are counted against a limit:{' '}
          <code>
            tallystick budgets set --{whose.kind} {scopeOf(whose).slice(whose.kind.length + 1)} --limit
            500/month
          </code>
        </p>
      )}
    </Section>
  )
}

function standingOf(budget: SpenderBudget): Standing {
  const unit = budget.unit as Unit
  const [limit, spent, held] = ['limit', 'spent', 'held'].map((name) => amountOf(unit, budget, name)) as [
    bigint,
    bigint,
    bigint,
  ]
  return { limit, spent, held, free: limit - spent - held }
}

function limitColumns(whose: Whose, slug: string): Column<SpenderBudget>[] {
  const amount = (name: 'spent' | 'limit', title: string): Column<SpenderBudget> => ({
    id: name,
    title,
    number: true,
    wide: name === 'spent',
    value: (budget) => standingOf(budget)[name],
    shown: (budget) => <Amount unit={budget.unit as Unit} amount={standingOf(budget)[name]} />,
  })
  return [
    {
      id: 'budget',
      title: 'Budget',
      value: (budget) => budget.name || (budget.each ? `each ${whose.kind}` : whose.name),
      shown: (budget) => (
        <>
          <Link className="key-name" to="/o/$slug/budgets/$id" params={{ slug, id: String(budget.id) }}>
            {budget.name || (budget.each ? `Each ${whose.kind}` : `This ${whose.kind}`)}
          </Link>
          <span className="label beside">
            {budget.window === 'total' ? 'in all' : `each ${budget.window}`}
          </span>
        </>
      ),
    },
    {
      id: 'mode',
      title: 'Mode',
      value: (budget) => budget.mode,
      shown: (budget) => MODES[budget.mode as keyof typeof MODES],
      wide: true,
    },
    {
      id: 'used',
      title: 'Used',
      value: (budget) => budget.used_percent,
      shown: (budget) => {
        const standing = standingOf(budget)
        return (
          <span className="used">
            <BudgetBar standing={standing} />
            <span>{shareOf(standing.spent + standing.held, standing.limit).toFixed(1)} %</span>
          </span>
        )
      },
    },
    amount('spent', 'Spent'),
    amount('limit', 'Limit'),
  ]
}

export function ProjectsOf({ team, days, range }: { team: string; days: Days; range: RangeSearch }) {
  const { data, error } = useQuery({
    queryKey: ['spenders', 'project', 'of', team, days],
    queryFn: async () =>
      (await getSpenders({ query: { kind: 'project', team, limit: 200, ...days }, throwOnError: true })).data,
  })
  if (error || !data)
    return <Section title="Projects">{error ? <Fault problem={error} /> : <Coming rows={2} />}</Section>
  if (!data.items.length) return null
  const decimals = places(data.items.map((row) => row.cost_nanos))
  const columns: Column<Spender>[] = [
    {
      id: 'project',
      title: 'Project',
      value: (row) => row.name,
      shown: (row) => (
        <>
          <SpenderLink whose={whoseOf('project', row)} range={range} />
          {row.moved_to !== null && <span className="tag beside">now {row.moved_to}’s</span>}
        </>
      ),
    },
    { id: 'keys', title: 'Keys', value: (row) => row.keys, number: true, wide: true },
    {
      id: 'calls',
      title: 'Calls',
      value: (row) => row.requests,
      shown: (row) => grouped(row.requests),
      number: true,
      wide: true,
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
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (row) => nanosOf(row.cost_nanos),
      shown: (row) => <Money nanos={row.cost_nanos} decimals={decimals} />,
    },
  ]
  return (
    <Section
      title="Projects"
      end={data.count > data.items.length ? `${data.items.length} of ${grouped(data.count)}` : undefined}
    >
      <Book
        caption="Projects"
        columns={columns}
        rows={data.items}
        id={(row) => row.name}
        ended={(row) => row.moved_to !== null}
      />
    </Section>
  )
}

type Listed = SpenderKey & { name?: string; preview?: string; user?: string | null }

export function TheirKeys({ whose, one }: { whose: Whose; one: OneSpender }) {
  const { slug } = useParams({ strict: false }) as { slug: string }
  const keys = one.keys_listed as Listed[] | null
  if (keys === null) return null
  const decimals = places(keys.map((key) => key.cost_nanos))
  const columns: Column<Listed>[] = [
    {
      id: 'key',
      title: 'Key',
      value: (key) => key.name || key.id,
      shown: (key) => (
        <Link className="key-name" to="/o/$slug/keys/$id" params={{ slug, id: key.id }}>
          {key.name || key.id}
        </Link>
      ),
    },
    {
      id: 'bound',
      title: 'How',
      value: (key) => (key.bound ? 'bound to it' : 'calls named it'),
      wide: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (key) => key.status,
      shown: (key) =>
        key.status === 'active' ? (
          <span className="tag green">Active</span>
        ) : (
          <span className="tag">{key.status}</span>
        ),
    },
    {
      id: 'calls',
      title: 'Calls',
      value: (key) => key.requests,
      shown: (key) => grouped(key.requests),
      number: true,
      wide: true,
    },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (key) => nanosOf(key.cost_nanos),
      shown: (key) => <Money nanos={key.cost_nanos} decimals={decimals} />,
    },
  ]
  return (
    <Section
      title="Keys"
      end={keys.length > 0 && <AsCsv small name={`${whose.name}-keys`} columns={columns} rows={keys} />}
    >
      {keys.length ? (
        <Book
          caption="Keys"
          columns={columns}
          rows={keys}
          id={(key) => key.id}
          ended={(key) => key.status !== 'active'}
        />
      ) : (
        <p className="nothing">
          No key is bound to this {whose.kind}, and none made calls for it in these days. Whoever has a key
          without a {KINDS[whose.kind].one.toLowerCase()} may name it in a header.
        </p>
      )}
    </Section>
  )
}

export function TheirPeople({ people }: { people: Person[] }) {
  if (!people.length) return null
  return (
    <Section title="Members">
      <Book
        caption="Members"
        rows={people}
        id={(person) => person.id}
        columns={[
          { id: 'name', title: 'Name', value: (person) => person.name || person.email },
          { id: 'email', title: 'E-mail', value: (person) => person.email, wide: true },
          { id: 'role', title: 'Role', value: (person) => person.role },
        ]}
      />
    </Section>
  )
}
