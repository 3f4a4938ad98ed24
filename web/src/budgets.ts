// Budgets as pages speak of them. An amount is nano-dollars, tokens or calls, by the budget's unit, always as a bigint; it
// is never added up over budgets, for they count the same calls from several sides.
import type { Budget, Node } from './api/types.gen'
import { nanosOf, nanosOfDollars } from './money'
import { todayIn } from './range'
import type { CallSearch } from './screens/callsearch'

export type Unit = Budget['unit']
export type Standing = { limit: bigint; spent: bigint; held: bigint; free: bigint }

export const KINDS = {
  org: 'The whole organisation',
  team: 'A team',
  project: 'A project',
  key: 'A key',
  user: 'A user',
  agent: 'An agent',
  environment: 'An environment',
  cost_center: 'A cost centre',
  session: 'A session',
  prompt_key: 'A prompt',
  tag: 'A tag',
  dimension: 'A dimension',
  provider: 'A provider',
  model: 'A model',
} as const
export type Kind = keyof typeof KINDS

export const MODES = {
  hard: 'Hard: calls that do not fit are refused',
  soft: 'Soft: calls pass, alerts tell',
  observe: 'Observe: calls pass, it only counts',
} as const

const PACE_PERCENT = 80

/** `limit`, `spent`, `held`, `remaining` or `amount` of what the API says of a budget, whatever its unit. */
export function amountOf(unit: Unit, of: object, name: string): bigint {
  const found = (of as Record<string, unknown>)[`${name}_${unit === 'money' ? 'nanos' : unit}`]
  return nanosOf(String(found ?? 0))
}

/** The same of a refusal, which tells dollars where others tell nanos; null where it does not say. */
export function toldOf(unit: Unit, told: Record<string, string>, name: string): bigint | null {
  const found = told[`${name}_${unit === 'money' ? 'usd' : unit}`]
  if (found === undefined) return null
  return unit === 'money' ? nanosOfDollars(found) : BigInt(found)
}

/** How one subject stands; without one, a budget that nothing was counted in yet. */
export function standingOf(budget: Budget, node?: Node): Standing {
  const limit = amountOf(budget.unit, budget, 'limit')
  if (!node) return { limit, spent: 0n, held: 0n, free: limit }
  const [spent, held, free] = ['spent', 'held', 'remaining'].map((name) => amountOf(budget.unit, node, name))
  return { limit, spent: spent as bigint, held: held as bigint, free: free as bigint }
}

/** The subject with the least left. */
export function fullest(budget: Budget): Node | undefined {
  let found: { node: Node; free: bigint } | undefined
  for (const node of budget.nodes) {
    const { free } = standingOf(budget, node)
    if (!found || free < found.free) found = { node, free }
  }
  return found?.node
}

/** Of a hundred, for the length of a bar and one decimal beside it. A limit of nothing is full. */
export function shareOf(amount: bigint, limit: bigint): number {
  return limit <= 0n ? 100 : Number((amount * 1000n) / limit) / 10
}

/** What a bar shows: what is spent, and behind it what is held, within the limit. */
export function barOf({ limit, spent, held }: Standing): { spent: number; held: number } {
  const part = Math.min(100, Math.max(0, shareOf(spent, limit)))
  return { spent: part, held: Math.min(100 - part, Math.max(0, shareOf(held, limit))) }
}

/** Less of a window says nothing yet of how the rest will go. */
const TELLING = 0.05

export type Pace = { times: number; spent: number; over: number }

/** How fast it goes: by the percent that are spent and those of its window that are over; once lasts just to the end. Null
 * where a budget never begins anew, or began a moment ago. */
export function paceOf(budget: Budget, { spent, limit }: Standing, now: number = Date.now()): Pace | null {
  if (budget.window_start === null || budget.resets_at === null) return null
  const [start, end] = [Date.parse(budget.window_start), Date.parse(budget.resets_at)]
  const over = Math.min(1, (now - start) / (end - start))
  if (over < TELLING) return null
  const share = shareOf(spent, limit)
  return { times: share / (100 * over), spent: share, over: 100 * over }
}

/** Amber is for pace, red for a limit that is reached. */
export function inkOf(percent: number): string {
  return percent >= 100 ? 'var(--red)' : percent >= PACE_PERCENT ? 'var(--amber)' : 'var(--bar)'
}

/** "team search", or the name that somebody gave it. */
export function nameOf(budget: { name: string; scope: string; value: string }): string {
  return budget.name || scopeOf(budget)
}

export function scopeOf({ scope, value }: { scope: string; value: string }): string {
  if (scope === 'org') return 'The whole organisation'
  const kind = scope.replace('_', ' ')
  return value === '*' ? `each ${kind}` : `${kind} ${value}`
}

/** A limit as the API reads it. Money may name its currency ("500 EUR"); a bare number is dollars. */
export function limitText(amount: string, unit: Unit): string {
  return unit === 'money' ? amount.trim() : `${amount.trim()} ${unit}`
}

/** The limit that was set, without its raises, as a field is filled with it. */
export function limitSet(budget: Budget): string {
  if (budget.currency && budget.limit_in_currency) return `${budget.limit_in_currency} ${budget.currency}`
  const raised = budget.raises.reduce((sum, raise) => sum + amountOf(budget.unit, raise, 'amount'), 0n)
  const set = amountOf(budget.unit, budget, 'limit') - raised
  if (budget.unit !== 'money') return set.toString()
  const text = set.toString().padStart(10, '0')
  const part = text.slice(-9).replace(/0+$/, '')
  return `${text.slice(0, -9)}${part && `.${part}`}`
}

/** The filter of the list of calls that finds a subject's; null where that list knows none. */
export function callsOf(scope: string, subject: string): CallSearch | null {
  switch (scope) {
    case 'org':
      return {}
    case 'team':
    case 'user':
    case 'agent':
    case 'environment':
    case 'cost_center':
    case 'key':
    case 'provider':
    case 'prompt_key':
      return { [scope]: subject }
    case 'model':
      return { requested_model: subject }
    case 'project': {
      const [team, ...project] = subject.split('/')
      return project.length ? { team: team as string, project: project.join('/') } : null
    }
    default:
      return null
  }
}

const OF_WHOLE_DAYS = new Set(['day', 'week', 'month', 'quarter', 'year'])

/** The calls behind what a subject spent in the window that runs; of no certain days where the window is not made of ours. */
export function spentBy(budget: Budget, subject: string, zone: string): CallSearch | null {
  const calls = callsOf(budget.scope, subject)
  if (!calls) return null
  const days =
    budget.window_start && budget.zone === zone && OF_WHOLE_DAYS.has(budget.window)
      ? { from: todayIn(zone, new Date(budget.window_start)), to: todayIn(zone) }
      : {}
  return { ...calls, ...days, kind: 'calls' }
}
