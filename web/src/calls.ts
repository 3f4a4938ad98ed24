// The documents of calls, as docs/reference/api.md describes them field by field; amounts are texts (exact.ts).

export type CallItem = {
  id: string
  /** How many there were; of an event of the live view, which of them it is. */
  attempts: number
  at: string
  key_id: string | null
  team: string | null
  project: string | null
  user: string | null
  agent: string | null
  environment: string | null
  cost_center: string | null
  prompt_key: string | null
  prompt_version: string | null
  session: string | null
  tags: string[]
  dimensions: Record<string, string>
  provider: string | null
  operation: string | null
  requested_model: string | null
  served_model: string | null
  sandbox: boolean
  state: 'open' | 'settled' | 'refused'
  status: number | null
  outcome: string | null
  method: string | null
  basis: string | null
  code: string | null
  usage: Record<string, number> | null
  cost_nanos: string
  would_be_cost_nanos: string | null
  latency_ms: number | null
}

export type CallLine = {
  unit: string
  quantity: number | string
  part: number
  price_row: string | null
  unpriced?: true
  rate_usd?: string
  per?: number
  factor?: string
  amount_usd?: string
  source?: string
}

export type CallAttempt = {
  attempt: number
  at: string
  provider: string | null
  credential: string | null
  held_nanos: string
  status?: number | null
  outcome: string | null
  method?: string | null
  basis?: string | null
  code?: string | null
  served_model?: string | null
  response_id?: string | null
  usage?: Record<string, number | string> | null
  cost_nanos?: string
  latency_ms?: number | null
  lines?: CallLine[]
}

export type CallDocument = Omit<CallItem, 'attempts' | 'key_id' | 'state' | 'tags' | 'dimensions'> & {
  state: 'open' | 'settled' | 'refused' | 'deferred'
  organization: string | null
  attribution:
    | ({
        key_id: string | null
        tags: string[][]
        dimensions: Record<string, string>
        claimed: string[]
      } & Record<string, unknown>)
    | null
  cost_usd: string
  currency: string
  stream?: boolean
  held_nanos?: string
  first_byte_ms?: number | null
  booked_cost_nanos?: string
  stated_cost_nanos?: string | null
  computed_cost_nanos?: string | null
  list_cost_nanos?: string | null
  drift?: boolean
  /** The one that refused it. */
  policy_id?: number | null
  policies?: { id: number; did: string }[]
  adjustments: {
    entry: number
    at: string
    reason: string
    text: string
    actor: string
    delta_nanos: string
    cost_nanos: string
  }[]
  lines: CallLine[]
  attempts: CallAttempt[]
  budget: Record<string, string> | null
}

/** What a list shows as its cost: of a sandbox call what it would have been. */
export function shownNanos(call: Pick<CallItem, 'cost_nanos' | 'sandbox' | 'would_be_cost_nanos'>): string {
  return call.sandbox && call.would_be_cost_nanos !== null ? call.would_be_cost_nanos : call.cost_nanos
}

/** What became of a call, in a word and a tone. */
export function verdictOf(call: Pick<CallItem, 'state' | 'outcome' | 'status' | 'sandbox' | 'code'>): {
  text: string
  tone: '' | 'red' | 'amber' | 'green' | 'accent'
} {
  if (call.state === 'refused')
    return { text: `${call.status ?? ''} ${call.code ?? 'refused'}`.trim(), tone: 'red' }
  if (call.state === 'open') return { text: 'running', tone: 'accent' }
  if (call.sandbox) return { text: 'sandbox', tone: '' }
  const failed = (call.status ?? 200) >= 400
  const cut = call.outcome !== null && call.outcome !== 'completed'
  if (failed) return { text: String(call.status), tone: 'amber' }
  if (call.outcome === 'deferred') return { text: 'deferred', tone: 'accent' }
  if (cut) return { text: (call.outcome as string).replace('_', ' '), tone: 'amber' }
  return { text: String(call.status ?? 'ok'), tone: 'green' }
}
