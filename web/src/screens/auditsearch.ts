// What the address of the audit says: acts or all entries, of which kind, about what, within which days.
import { grouped } from '../money'
import { type RangeSearch, rangeOf } from '../range'

export const ACTS = {
  KEY: 'Keys',
  CREDENTIAL: 'Credentials',
  MEMBER: 'Members',
  ACCESS: 'Sign-ins and access',
  CAP: 'Budgets',
  POLICY: 'Policies',
  PRICE: 'Prices',
  ALERTS: 'Alerting',
  SCOPE: 'Teams and projects',
  'WRITE-OFF': 'Write-offs',
  RETENTION: 'Retention',
} as const
export const CALLS = {
  ATTEMPT: 'Calls',
  ADMIT: 'Admissions',
  SETTLE: 'Settlements',
  DEFER: 'Jobs opened',
  SEEN: 'Jobs polled again',
  ADJUST: 'Corrections',
  REFUSED: 'Refusals',
  REFUSALS: 'Refusals, counted',
  DEFINE: 'Names',
  CHECKPOINT: 'Months sealed',
} as const

export type AuditSearch = RangeSearch & {
  view?: 'entries'
  kind?: string
  about?: string
  request?: string
}

export function auditOf(search: Record<string, unknown>): AuditSearch {
  const { view, kind, about, request } = search
  return {
    ...rangeOf(search),
    ...(view === 'entries' ? { view } : {}),
    ...(typeof kind === 'string' && /^[A-Z-]{2,20}$/.test(kind) ? { kind } : {}),
    ...(about !== undefined && String(about) ? { about: String(about).slice(0, 256) } : {}),
    ...(typeof request === 'string' && /^req_[0-9a-f]{32}$/.test(request) ? { request } : {}),
  }
}

/** A kind as people call it. */
export function kindName(kind: string): string {
  return { ...ACTS, ...CALLS }[kind as keyof typeof ACTS] ?? kind
}

/** Who did it: a person by e-mail, or what acts without an account. */
export function byName(by: string | null): string | null {
  return by === 'cli' ? 'the host’s command line' : by === 'gateway' ? 'the gateway' : by
}

/** A time of so many millionths of a second, in thousandths, exactly: "359.917 ms". */
export function millis(us: number): string {
  const part = String(us % 1000)
    .padStart(3, '0')
    .replace(/0+$/, '')
  return `${grouped(Math.trunc(us / 1000))}${part && `.${part}`} ms`
}
