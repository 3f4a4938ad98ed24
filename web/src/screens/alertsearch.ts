// What the address of the inbox says, and what of an alert follows from it: where it stands, how grave it is, whose it is.
import type { Alert } from '../api/types.gen'
import { says } from '../parts/list'
import { flagOf, sortOf, wordsOf } from '../search'

/** `open`: nobody sees to it yet. What is resolved is over, whether somebody saw to it or not. */
export const STANDINGS = { open: 'Open', acknowledged: 'Acknowledged', resolved: 'Resolved' } as const
export const SEVERITIES = { critical: 'Critical', warning: 'Warning', info: 'Info' } as const

export type Standing = keyof typeof STANDINGS
export type Severity = keyof typeof SEVERITIES
export type AlertSearch = { show?: Standing; severity?: Severity; q?: string; sort?: string }

export function alertsOf(search: Record<string, unknown>): AlertSearch {
  const { show, severity } = search
  return {
    ...(typeof show === 'string' && Object.hasOwn(STANDINGS, show) && show !== 'open'
      ? { show: show as Standing }
      : {}),
    ...(typeof severity === 'string' && Object.hasOwn(SEVERITIES, severity)
      ? { severity: severity as Severity }
      : {}),
    ...wordsOf(search),
    ...sortOf(search),
  }
}

/** What the address of the list of channels says. */
export type ChannelSearch = { q?: string; new?: true; sort?: string }

export function channelsOf(search: Record<string, unknown>): ChannelSearch {
  return { ...wordsOf(search), ...flagOf(search, 'new'), ...sortOf(search) }
}

export function standingOf(alert: Alert): Standing {
  if (alert.resolved_at) return 'resolved'
  return alert.acknowledged_at ? 'acknowledged' : 'open'
}

/** The graver, the more: what a list is sorted by. */
export function gravity(severity: string): number {
  return severity === 'critical' ? 2 : severity === 'warning' ? 1 : 0
}

/** Whether it is what the address asks for. */
export function wanted(alert: Alert, search: AlertSearch): boolean {
  return (
    standingOf(alert) === (search.show ?? 'open') &&
    (!search.severity || alert.severity === search.severity) &&
    says(search.q, [alert.title, alert.text, scopeOf(alert), kindText(alert.kind)])
  )
}

/** Whose it is: the narrowest scope stands first. "project search/web", "team search". */
export function scopeOf(alert: Alert): string {
  const [scope = ''] = alert.scopes
  return scope === 'org' ? WHOLE : scope.replace(':', ' ')
}

export const WHOLE = 'the organisation'

/** What somebody looks at next: the screen of what an alert is about, by the API's path of it. */
export type Pointed =
  | { screen: 'budgets'; id: string }
  | { screen: 'envelopes'; id: string }
  | { screen: 'policies'; id: string }
  | { screen: 'keys'; id: string }
  | { screen: 'prices' }
  | { screen: 'requests'; refused: boolean }

export function pointedAt(path: string | null): Pointed | null {
  const [, area, id] = path?.match(/^\/api\/(\w+)(?:\/([\w-]+))?/) ?? []
  switch (area) {
    case 'budgets':
    case 'envelopes':
    case 'policies':
    case 'keys':
      return id ? { screen: area, id } : null
    case 'prices':
      return { screen: area }
    case 'requests':
      return { screen: area, refused: Boolean(path?.includes('kind=refused')) }
    default:
      return null
  }
}

export function kindText(kind: string): string {
  return kind.replaceAll('_', ' ')
}

const AMOUNTS = new Set(['limit', 'spent', 'forecast', 'per_day', 'refused_needing'])

/** The nanos of a fact that is an amount of money; a budget's figures are in its unit. */
export function nanosOfFact(name: string, facts: Record<string, unknown>): bigint | null {
  const value = facts[name]
  if (name.endsWith('_nanos') && typeof value === 'string') return BigInt(value)
  return facts.unit === 'money' && AMOUNTS.has(name) && Number.isSafeInteger(value)
    ? BigInt(value as number)
    : null
}
