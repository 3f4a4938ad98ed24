// What a policy would have done to the calls of the last days: in one sentence, by whom, and call by call.
import { Link } from '@tanstack/react-router'
import type { DryRun } from '../api/types.gen'
import { calls, grouped, money, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { useKeyNames } from '../parts/keynames'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { kindOf } from '../policies'

type Whom = {
  key?: string
  team?: string
  project?: string
  user?: string
  calls: number
  would_stop: number
  saved_nanos: string
}
type Stopped = { id: string; code: string; cost_nanos: string }

const EXAMPLES = 10
const UNJUDGED: Record<string, string> = {
  addresses: 'their addresses are not kept',
  downgrade: 'how budgets stood is not kept',
  failover: 'what another credential would have met is not known',
  expensive: 'their expected cost is not kept',
  session_caps: 'their expected cost is not kept',
  refused_otherwise: 'something else refused them, and too little is kept of those',
}

export function DryRunShown({ run, kind, slug }: { run: DryRun; kind: string; slug: string }) {
  const who = run.who as unknown as Whom[]
  const stopped = run.stopped as unknown as Stopped[]
  const unjudged = Object.entries(run.not_judged)
  const saved = String(run.saved_nanos)
  const decimals = places(stopped.slice(0, EXAMPLES).map((one) => one.cost_nanos))
  return (
    <div data-dry-run>
      <p className="verdict">
        {run.calls === 0 ? (
          <>There was no call in the last {run.days} days that it could have met.</>
        ) : run.would_stop === 0 && run.would_change === 0 && run.would_warn === 0 ? (
          <>
            Of {calls(run.calls)} in the last {run.days} days it would have done nothing to any.
          </>
        ) : (
          <>
            It would have refused <strong>{calls(run.would_stop)}</strong>, <strong>{money(saved)}</strong>,
            of {grouped(run.calls)} in the last {run.days} days
            {run.would_change > 0 && `; changed ${calls(run.would_change)}`}
            {run.would_warn > 0 && `; warned of ${calls(run.would_warn)}`}.
          </>
        )}
      </p>
      {run.simulated.length > 0 && (
        <p className="label">
          {kindOf(kind).name}: replayed call by call on one counter. Live, several gateways share it, so it
          may decide otherwise here and there.
        </p>
      )}
      {unjudged.map(([why, count]) => (
        <p key={why} className="label">
          {calls(count)} could not be asked about: {UNJUDGED[why] ?? why}.
        </p>
      ))}
      {who.length > 0 && <Whose who={who} />}
      {stopped.length > 0 && (
        <Section
          title="For example"
          end={stopped.length > EXAMPLES ? `${EXAMPLES} of ${grouped(stopped.length)}` : null}
        >
          <Book
            caption="Calls that would have been refused"
            rows={stopped.slice(0, EXAMPLES)}
            id={(one) => one.id}
            columns={[
              {
                id: 'id',
                title: 'Call',
                value: (one) => one.id,
                shown: (one) => (
                  <Link to="/o/$slug/requests/$id" params={{ slug, id: one.id }} className="mono">
                    {one.id.slice(0, 16)}…
                  </Link>
                ),
              },
              { id: 'code', title: 'With', value: (one) => one.code },
              {
                id: 'cost',
                title: 'Cost then',
                value: (one) => BigInt(one.cost_nanos),
                shown: (one) => <Money nanos={one.cost_nanos} decimals={decimals} />,
                number: true,
              },
            ]}
          />
        </Section>
      )}
    </div>
  )
}

function Whose({ who }: { who: Whom[] }) {
  const names = useKeyNames(who.flatMap((one) => (one.key ? [one.key] : [])))
  const decimals = places(who.map((one) => one.saved_nanos))
  const key = (one: Whom) => (one.key ? names(one.key) : null)
  const written: Column<Whom>[] = [
    { id: 'team', title: 'Team', value: (one) => one.team ?? null },
    { id: 'key', title: 'Key', value: key },
    { id: 'project', title: 'Project', value: (one) => one.project ?? null },
    { id: 'user', title: 'User', value: (one) => one.user ?? null },
    { id: 'refused', title: 'Refused', value: (one) => one.would_stop },
    { id: 'calls', title: 'Calls', value: (one) => one.calls },
    { id: 'saved_nanos', title: 'Cost then', value: (one) => BigInt(one.saved_nanos) },
  ]
  const shown: Column<Whom>[] = [
    {
      id: 'who',
      title: 'Who',
      value: (one) => [key(one) ?? one.team, one.user].filter(Boolean).join(' · ') || 'All others',
    },
    { id: 'refused', title: 'Refused', value: (one) => one.would_stop, number: true },
    { id: 'calls', title: 'of calls', value: (one) => one.calls, number: true },
    {
      id: 'saved_nanos',
      title: 'Cost then',
      value: (one) => BigInt(one.saved_nanos),
      shown: (one) => <Money nanos={one.saved_nanos} decimals={decimals} />,
      number: true,
    },
  ]
  return (
    <Section title="Who would have noticed" end={<AsCsv name="dry-run" columns={written} rows={who} />}>
      <Book
        caption="Who would have noticed"
        columns={shown}
        rows={who}
        id={(one) => [one.key, one.team, one.project, one.user].join('|')}
      />
    </Section>
  )
}
