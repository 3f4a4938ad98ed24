// Calls as rows: the same columns wherever calls are listed.
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { type CallItem, verdictOf } from '../calls'
import { grouped, nanosOf } from '../money'
import type { Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { atText } from '../parts/when'

/** `pick`: a name in the table narrows it down to itself, with Alt to all but that. `total`: what all of them cost. */
export function columnsOf(
  slug: string,
  zone: string,
  decimals: number,
  { pick, total }: { pick?: (dimension: string, name: string, not: boolean) => void; total?: ReactNode } = {},
): Column<CallItem>[] {
  const named = (
    id: string,
    title: string,
    of: (call: CallItem) => string | null,
    more: Partial<Column<CallItem>> & { dimension?: string } = { wide: true },
  ): Column<CallItem> => {
    const { dimension = id, ...rest } = more
    return {
      id,
      title,
      value: of,
      shown: (call) => {
        const name = of(call)
        if (name === null) return <span className="quiet">–</span>
        if (!pick) return name
        return (
          <button
            type="button"
            className="pick"
            title={`Only ${name}; with Alt all but that`}
            onClick={(event) => pick(dimension, name, event.altKey)}
          >
            {name}
          </button>
        )
      },
      ...rest,
    }
  }
  const asked = { hidden: true }
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
      ...(total ? { total: 'All of them' } : {}),
    },
    named('model', 'Model', (call) => call.served_model ?? call.requested_model, {}),
    named('provider', 'Provider', (call) => call.provider, { hidden: true, written: true }),
    named('team', 'Team', (call) => call.team),
    named('project', 'Project', (call) => call.project),
    named('user', 'User', (call) => call.user),
    named('key', 'Key', (call) => call.key_id, asked),
    named('agent', 'Agent', (call) => call.agent, asked),
    named('environment', 'Environment', (call) => call.environment, asked),
    named('cost_center', 'Cost centre', (call) => call.cost_center, asked),
    named('prompt_key', 'Prompt', (call) => call.prompt_key, asked),
    named('prompt_version', 'Prompt version', (call) => call.prompt_version, asked),
    named('session', 'Session', (call) => call.session, asked),
    { id: 'tags', title: 'Tags', value: (call) => call.tags.join(', ') || null, hidden: true },
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
      total,
    },
    {
      id: 'status',
      title: 'Status',
      value: (call) => verdictOf(call).text,
      shown: (call) => <Verdict call={call} />,
    },
    { id: 'attempts', title: 'Attempts', value: (call) => call.attempts, number: true, hidden: true },
    { id: 'id', title: 'Id', value: (call) => call.id, hidden: true, written: true },
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
