// Calls as rows: the same columns wherever calls are listed.
import { Link } from '@tanstack/react-router'
import { type CallItem, verdictOf } from '../calls'
import { grouped, nanosOf } from '../money'
import type { Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { atText } from '../parts/when'

export function columnsOf(slug: string, zone: string, decimals: number): Column<CallItem>[] {
  return [
    {
      id: 'at',
      title: 'Time',
      value: (call) => call.at,
      shown: (call) => (
        <Link to="/o/$slug/requests/$id" params={{ slug, id: call.id }}>
          {atText(call.at, zone)}
        </Link>
      ),
    },
    {
      id: 'model',
      title: 'Model',
      value: (call) => call.served_model ?? call.requested_model,
      shown: (call) => <Model call={call} />,
    },
    { id: 'provider', title: 'Provider', value: (call) => call.provider, wide: true },
    { id: 'team', title: 'Team', value: (call) => call.team, wide: true },
    { id: 'project', title: 'Project', value: (call) => call.project, wide: true },
    { id: 'user', title: 'User', value: (call) => call.user, wide: true },
    {
      id: 'input_tokens',
      title: 'In',
      value: (call) => call.usage?.input ?? null,
      shown: (call) => count(call.usage?.input),
      number: true,
      wide: true,
    },
    {
      id: 'output_tokens',
      title: 'Out',
      value: (call) => call.usage?.output ?? null,
      shown: (call) => count(call.usage?.output),
      number: true,
      wide: true,
    },
    {
      id: 'latency_ms',
      title: 'Latency',
      value: (call) => call.latency_ms,
      shown: (call) => latency(call.latency_ms),
      number: true,
      wide: true,
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      value: (call) => nanosOf(call.cost_nanos),
      shown: (call) => <Cost call={call} decimals={decimals} />,
      number: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (call) => verdictOf(call).text,
      shown: (call) => <Verdict call={call} />,
    },
  ]
}

export function Verdict({ call }: { call: Parameters<typeof verdictOf>[0] }) {
  const { text, tone } = verdictOf(call)
  return tone === 'green' ? (
    <span className="quiet">{text}</span>
  ) : (
    <span className={`tag ${tone}`}>{text}</span>
  )
}

function Model({ call }: { call: CallItem }) {
  return (
    <span title={call.requested_model ?? undefined}>
      {call.served_model ?? call.requested_model ?? <span className="quiet">–</span>}
    </span>
  )
}

function Cost({ call, decimals }: { call: CallItem; decimals: number }) {
  if (call.state === 'open') return <span className="quiet">…</span>
  if (call.state === 'refused') return <span className="quiet">–</span>
  if (call.sandbox && call.would_be_cost_nanos !== null)
    return (
      <span className="quiet">
        would be <Money nanos={call.would_be_cost_nanos} decimals={decimals} />
      </span>
    )
  if (call.method === 'unpriced') return <span className="tag amber">unpriced</span>
  return <Money nanos={call.cost_nanos} note={call.method ?? undefined} decimals={decimals} />
}

const count = (tokens?: number) => (tokens === undefined ? <span className="quiet">–</span> : grouped(tokens))
const latency = (ms: number | null) =>
  ms === null ? (
    <span className="quiet">–</span>
  ) : ms < 10_000 ? (
    `${grouped(ms)} ms`
  ) : (
    `${grouped(Math.round(ms / 1000))} s`
  )
