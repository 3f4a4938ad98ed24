// What is an agent's own: what stops a run of it that goes in a loop, and the switch that stops it for good.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { deletePoliciesPolicyId, getPolicies } from '../api/sdk.gen'
import { useChange } from '../parts/FormDialog'
import { Section } from '../parts/Page'
import { Fault } from '../parts/states'
import { may, useSession } from '../session'

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
