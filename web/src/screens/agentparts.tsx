// What is an agent's own: its runs, what stops one that runs in a loop, and the switch that stops it for good.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { deletePoliciesPolicyId, getExplore, getPolicies } from '../api/sdk.gen'
import type { OneSpender, Series } from '../api/types.gen'
import { grouped, money, nanosOf, places } from '../money'
import { Book, type Column } from '../parts/Book'
import { useChange } from '../parts/FormDialog'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import type { Days, RangeSearch } from '../range'
import { may, useSession } from '../session'

const RUNS = 10

/** Runs are sessions: calls that say so with one `X-Tallystick-Session`. */
export function Runs({
  agent,
  one,
  days,
  range,
}: {
  agent: string
  one: OneSpender
  days: Days
  range: RangeSearch
}) {
  const { slug } = useParams({ strict: false }) as { slug: string }
  const { data, error } = useQuery({
    queryKey: ['explore', 'session', agent, days],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...days,
            group: ['session'],
            grain: 'none',
            top: RUNS,
            filters: JSON.stringify([
              { dimension: 'agent', test: 'is', values: [agent] },
              { dimension: 'session', test: 'is_not', values: [null] },
            ]),
          },
          throwOnError: true,
        })
      ).data,
  })
  if (error || !data)
    return <Section title="Runs">{error ? <Fault problem={error} /> : <Coming rows={3} />}</Section>
  const runs = data.groups
  if (!runs)
    return (
      <Section title="Runs">
        <p className="nothing">
          Its calls do not say which run they belong to. With <code>X-Tallystick-Session</code> they are
          counted run by run, and a run can have a limit of its own.
        </p>
      </Section>
    )
  const nameless = one.requests - data.total.requests
  return (
    <Section
      title="Runs"
      end={`${grouped(runs)} ${runs === 1 ? 'run' : 'runs'}, ${money(nanosOf(data.total.cost_nanos) / BigInt(runs))} each on average`}
    >
      <Book
        caption="Runs"
        columns={runColumns(data.series, (run) => (
          <Link
            to="/o/$slug/requests"
            params={{ slug }}
            search={{
              ...range,
              kind: 'calls',
              agent,
              filters: [{ dimension: 'session', test: 'is', values: [run] }],
            }}
          >
            {run}
          </Link>
        ))}
        rows={data.series}
        id={(one) => one.names[0] ?? ''}
      />
      {nameless > 0 && (
        <p className="label below">
          {grouped(nameless)} more calls named no run and cost{' '}
          <Money nanos={nanosOf(one.cost_nanos) - nanosOf(data.total.cost_nanos)} />.
        </p>
      )}
    </Section>
  )
}

function runColumns(rows: readonly Series[], calls: (run: string) => ReactNode): Column<Series>[] {
  const decimals = places(rows.map((one) => one.cost_nanos))
  return [
    {
      id: 'run',
      title: 'Dearest runs',
      value: (one) => one.names[0] ?? null,
      shown: (one) => calls(one.names[0] ?? ''),
    },
    { id: 'errors', title: 'Errors', value: (one) => one.errors, number: true, wide: true },
    {
      id: 'calls',
      title: 'Calls',
      value: (one) => one.requests,
      shown: (one) => grouped(one.requests),
      number: true,
    },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (one) => nanosOf(one.cost_nanos),
      shown: (one) => <Money nanos={one.cost_nanos} decimals={decimals} />,
    },
  ]
}

/** Whether it is stopped, and which caps its runs have. */
export function AgentLimits({ agent }: { agent: string }) {
  const session = useSession()
  const { slug } = useParams({ strict: false }) as { slug: string }
  const sending = useChange('policies')
  const { data } = useQuery({
    queryKey: ['policies', 'of', agent],
    queryFn: async () => (await getPolicies({ throwOnError: true })).data.items,
    enabled: may(session, 'owner', 'admin', 'manager', 'auditor'),
  })
  if (!data) return null
  const kill = data.find(
    (one) => one.kind === 'kill' && one.on === `agent:${agent}` && one.mode === 'enforce',
  )
  const caps = data.filter(
    (one) => one.kind === 'session_caps' && [`agent:${agent}`, 'agent:*', 'org'].includes(one.on),
  )
  return (
    <Section title="What stops it">
      {kill && (
        <ul className="alerts" aria-label="Stopped">
          <li className="red">
            <strong>{agent} is stopped.</strong> Its calls are refused.{' '}
            {may(session, 'owner', 'admin') && (
              <Button
                variant="default"
                size="compact-sm"
                loading={sending.busy}
                onClick={() =>
                  sending.send(
                    () => deletePoliciesPolicyId({ path: { policy_id: kill.id }, throwOnError: true }),
                    `${agent} may call again.`,
                    () => {},
                  )
                }
              >
                Let it run again
              </Button>
            )}
          </li>
        </ul>
      )}
      {sending.problem !== null && <Fault problem={sending.problem} />}
      {caps.length ? (
        <dl className="facts">
          {caps.map((one) => (
            <Cap key={one.id} policy={one} />
          ))}
        </dl>
      ) : (
        <p className="nothing">
          No run has a limit of its own. One that runs in a loop is stopped by a policy on its runs:{' '}
          <code>tallystick policies set session_caps --on agent:{agent} -p calls=200 -p usd=2.50</code>.{' '}
          <Link to="/o/$slug/budgets" params={{ slug }}>
            A budget
          </Link>{' '}
          stops the agent as a whole.
        </p>
      )}
    </Section>
  )
}

function Cap({
  policy,
}: {
  policy: { name: string; on: string; mode: string; parameters: Record<string, unknown> }
}) {
  const { calls, usd } = policy.parameters
  const most = [calls !== undefined && `${String(calls)} calls`, usd !== undefined && `$${String(usd)}`]
  return (
    <>
      <dt>
        {policy.name || `Each run of ${policy.on === 'org' ? 'everybody' : policy.on.replace(':', ' ')}`}
      </dt>
      <dd>
        at most {most.filter(Boolean).join(' and ')}
        {policy.mode === 'observe' && ', observed only'}
      </dd>
    </>
  )
}
