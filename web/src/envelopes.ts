// Envelopes as pages speak of them: money that Finance grants to a scope for a time. Amounts are nano-dollars as bigints.
import type { Envelope } from './api/types.gen'
import { scopeOf } from './budgets'
import { nanosOf } from './money'

/** What an envelope can be, in the order in which it needs somebody. */
export const STATES = {
  requested: 'Asked for',
  active: 'Active',
  'to come': 'To come',
  ended: 'Ended',
  declined: 'Declined',
} as const
export type State = keyof typeof STATES

export const SIGNERS = ['owner', 'admin', 'finance'] as const
export const ASKERS = [...SIGNERS, 'manager', 'member'] as const

/** `amount`; of a signed one also `spent`, `held`, `remaining`, `allocated`. Nothing where it is not signed yet. */
export function nanosIn(of: object, name: string): bigint | null {
  const found = (of as Record<string, unknown>)[`${name}_nanos`]
  return found === undefined || found === null ? null : nanosOf(String(found))
}

export function isSigned(envelope: Envelope): boolean {
  return envelope.signature !== null
}

/** "team search: the launch" */
export function titleOf(envelope: Envelope): string {
  return `${scopeOf(envelope)}: ${envelope.purpose}`
}

export function stateText(state: string): string {
  return STATES[state as State] ?? state
}

const INKS: Record<string, string> = { requested: 'tag amber', active: 'tag green' }

export function inkOf(state: string): string {
  return INKS[state] ?? 'tag'
}

/** Days that are left of something, a day that has begun with it. */
export function daysLeft(ends: string, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(ends) - now) / 86_400_000))
}

/** How it stands as a budget's bar shows it. */
export function standingOf(envelope: Envelope) {
  const [limit, spent, held, free] = ['amount', 'spent', 'held', 'remaining'].map(
    (name) => nanosIn(envelope, name) ?? 0n,
  ) as [bigint, bigint, bigint, bigint]
  return { limit, spent, held, free }
}
