// The budgets that are closest to their end, and what alerts say that nobody resolved: shown only where there are any.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getAlerts, getBudgets } from '../api/sdk.gen'
import type { Budget, Node } from '../api/types.gen'
import { inkOf, nameOf } from '../budgets'
import { grouped } from '../money'
import { may, useSession } from '../session'
import { Money } from './Money'
import { Section } from './Page'
import { dateText } from './when'

const ALERTS = 3
const WORST = 5

export function OpenAlerts({ slug }: { slug: string }) {
  const session = useSession()
  const { data } = useQuery({
    queryKey: ['alerts', 'open'],
    queryFn: async () =>
      (await getAlerts({ query: { open: true, limit: 50 }, throwOnError: true })).data.items,
    enabled: may(session, 'owner', 'admin', 'finance', 'auditor'),
    refetchInterval: 60_000,
  })
  if (!data?.length) return null
  // Of one matter only the newest word: a budget that is exhausted passed its 80 % before.
  const newest = [...new Map(data.toReversed().map((alert) => [alert.thread, alert])).values()].reverse()
  return (
    <ul className="alerts" aria-label="Open alerts">
      {newest.slice(0, ALERTS).map((alert) => (
        <li key={alert.id} className={alert.severity === 'critical' ? 'red' : 'amber'}>
          <Link to="/o/$slug/alerts/$id" params={{ slug, id: alert.id }}>
            <strong>{alert.title}</strong>
          </Link>{' '}
          {alert.text !== alert.title && alert.text}
        </li>
      ))}
      {newest.length > ALERTS && (
        <li>
          <Link to="/o/$slug/alerts" params={{ slug }}>
            {grouped(newest.length - ALERTS)} more open {newest.length - ALERTS === 1 ? 'alert' : 'alerts'}
          </Link>
        </li>
      )}
    </ul>
  )
}

type Part = { budget: Budget; node: Node }

export function BudgetHealth({ zone, slug }: { zone: string; slug: string }) {
  const { data } = useQuery({
    queryKey: ['budgets', 'health'],
    queryFn: async () => (await getBudgets({ query: { limit: 200 }, throwOnError: true })).data.items,
    refetchInterval: 30_000,
  })
  // What a policy keeps, as a cap for each session, is no budget that anybody plans with.
  const planned = (data ?? []).filter((budget) => budget.policy === null)
  const parts = planned.flatMap((budget): Part[] => budget.nodes.map((node) => ({ budget, node })))
  const worst = parts.sort((a, b) => (b.node.used_percent ?? 0) - (a.node.used_percent ?? 0)).slice(0, WORST)
  if (!worst.length) return null
  return (
    <Section
      title="Budgets"
      end={
        <Link to="/o/$slug/budgets" params={{ slug }}>
          {parts.length > WORST ? `All ${grouped(parts.length)}` : 'All budgets'}
        </Link>
      }
    >
      <table className="book">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Budget</th>
            <th scope="col">Used</th>
            <th scope="col">Spent</th>
            <th scope="col">Limit</th>
            <th scope="col">Ends</th>
          </tr>
        </thead>
        <tbody>
          {worst.map(({ budget, node }) => (
            <tr key={`${budget.id} ${node.subject}`}>
              <td>
                <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(budget.id) }}>
                  {nameOf(budget.value === '*' ? { ...budget, value: node.subject } : budget)}
                </Link>{' '}
                <span className="label">{budget.mode}</span>
              </td>
              <td className="wide-only" style={{ width: '34%' }}>
                <div className="meter">
                  <i
                    style={{
                      width: `${Math.min(100, node.used_percent ?? 0)}%`,
                      background: inkOf(node.used_percent ?? 0),
                    }}
                  />
                </div>
              </td>
              <td className="number">
                {node.used_percent === null ? '–' : `${node.used_percent.toFixed(1)} %`}
              </td>
              <td className="number wide-only">
                <Amount budget={budget} of={node} name="spent" /> <span className="quiet">of</span>{' '}
                <Amount budget={budget} of={budget} name="limit" />
              </td>
              <td className="number label wide-only">
                {budget.resets_at ? `until ${dateText(budget.resets_at, zone)}` : 'no end'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  )
}

function Amount({ budget, of, name }: { budget: Budget; of: Budget | Node; name: 'spent' | 'limit' }) {
  if (budget.unit === 'money') return <Money nanos={of[`${name}_nanos`] as string} />
  return (
    <>
      {grouped(of[`${name}_${budget.unit}`] as number)} {budget.unit}
    </>
  )
}
