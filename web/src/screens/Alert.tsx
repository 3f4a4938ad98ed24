// One alert: what it says, its figures, who sees to it, and what each channel did with it.
import { Button, Textarea } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { getAlertsAlertId, postAlertsAlertIdAcknowledge, postAlertsAlertIdReplay } from '../api/sdk.gen'
import type { Delivery, OneAlert } from '../api/types.gen'
import { grouped } from '../money'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Money } from '../parts/Money'
import { Page, Section, Subject } from '../parts/Page'
import { useWho } from '../parts/people'
import { Outcome, SeverityMark } from '../parts/Severity'
import { Coming, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { placesOf } from '../shell/places'
import { kindText, nanosOfFact, pointedAt, standingOf, WHOLE } from './alertsearch'
import { Mute } from './Mutes'

const WAITING_MS = 2_000
const ANEW_MS = 15_000

export default function AlertScreen() {
  const { slug, id } = useParams({ from: '/o/$slug/alerts/$id' })
  const { zone } = useZone()
  const session = useSession()
  const [open, setOpen] = useState<'acknowledge' | 'mute' | null>(null)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['alerts', 'one', id],
    queryFn: async () =>
      (await getAlertsAlertId({ path: { alert_id: Number(id) }, throwOnError: true })).data,
    refetchInterval: ({ state }) =>
      state.data?.deliveries.some((one) => one.state === 'waiting') ? WAITING_MS : ANEW_MS,
  })
  const acts = may(session, 'owner', 'admin', 'finance') && data && data.kind !== 'test'
  return (
    <Page
      title="Alert"
      question={data ? <Subject>{data.title}</Subject> : `Number ${id}`}
      actions={
        <>
          <Link to="/o/$slug/alerts" params={{ slug }}>
            All alerts
          </Link>
          {acts && (
            <>
              <Button variant="default" onClick={() => setOpen('mute')}>
                Mute…
              </Button>
              {standingOf(data) === 'open' && (
                <Button onClick={() => setOpen('acknowledge')}>Acknowledge…</Button>
              )}
            </>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming />
      ) : (
        <>
          <p className="prose">
            <SeverityMark severity={data.severity} /> {data.text}
          </p>
          <Section title="Where it stands">
            <Standing alert={data} slug={slug} zone={zone} />
          </Section>
          <Deliveries alert={data} zone={zone} again={may(session, 'owner', 'admin')} />
          {Object.keys(data.facts).length > 0 && (
            <Section title="Figures" end="as they were then">
              <dl className="facts">
                {Object.entries(data.facts)
                  .filter(([name, value]) => value !== '' && value !== null && !SAID.has(name))
                  .map(([name, value]) => (
                    <Fact key={name} name={NAMES[name] ?? kindText(name)}>
                      <Figure name={name} value={value} facts={data.facts} zone={zone} />
                    </Fact>
                  ))}
              </dl>
            </Section>
          )}
        </>
      )}
      {open === 'acknowledge' && data && <Acknowledge alert={data} close={() => setOpen(null)} />}
      {open === 'mute' && data && <Mute alert={data} close={() => setOpen(null)} />}
    </Page>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

/** What the title, the scope and the link say already. */
const SAID = new Set(['budget_id', 'cap_version', 'scope', 'value', 'subject', 'unit'])
const NAMES: Record<string, string> = {
  zone: 'Time zone',
  used_percent: 'Used',
  threshold_percent: 'Threshold',
  window_start: 'Window began',
  resets_at: 'Begins anew',
}

type Figured = { name: string; value: unknown; facts: Record<string, unknown>; zone: string }

function Figure({ name, value, facts, zone }: Figured) {
  const nanos = nanosOfFact(name, facts)
  if (nanos !== null) return <Money nanos={nanos} />
  if (typeof value === 'number' && name.endsWith('_percent')) return `${grouped(value)} %`
  if (typeof value === 'number') return name.endsWith('_id') ? value : grouped(value)
  if (/_(at|start)$/.test(name)) return atText(String(value), zone)
  return String(value)
}

function Standing({ alert, slug, zone }: { alert: OneAlert; slug: string; zone: string }) {
  const who = useWho()
  return (
    <dl className="facts">
      <Fact name="Raised">{atText(alert.raised_at, zone)}</Fact>
      {alert.scopes.length > 0 && (
        <Fact name="Whose">
          {alert.scopes.map((scope) => (scope === 'org' ? WHOLE : scope.replace(':', ' '))).join(', ')}
        </Fact>
      )}
      <About path={alert.path} slug={slug} />
      {alert.acknowledged_at && (
        <Fact name="Acknowledged">
          {atText(alert.acknowledged_at, zone)} by {who(alert.acknowledged_by ?? '')}
          {alert.note && <div className="soft">“{alert.note}”</div>}
        </Fact>
      )}
      <Fact name={alert.resolved_at ? 'Resolved' : 'Now'}>
        {alert.resolved_at ? (
          <>
            {atText(alert.resolved_at, zone)} <span className="soft">{alert.resolution}</span>
          </>
        ) : alert.acknowledged_at ? (
          'Still so; somebody sees to it'
        ) : (
          'Open: nobody sees to it yet'
        )}
      </Fact>
    </dl>
  )
}

/** The way to what it is about, for whom that screen is open. */
function About({ path, slug }: { path: string | null; slug: string }) {
  const { role } = useSession()
  const at = pointedAt(path)
  if (!at || !placesOf(role).some((place) => place.to === `/o/$slug/${at.screen}`)) return null
  return (
    <Fact name="About">
      {at.screen === 'budgets' ? (
        <Link to="/o/$slug/budgets/$id" params={{ slug, id: at.id }}>
          The budget as it stands now
        </Link>
      ) : at.screen === 'envelopes' ? (
        <Link to="/o/$slug/envelopes/$id" params={{ slug, id: at.id }}>
          The envelope as it stands now
        </Link>
      ) : at.screen === 'policies' ? (
        <Link to="/o/$slug/policies/$id" params={{ slug, id: at.id }}>
          The policy
        </Link>
      ) : at.screen === 'keys' ? (
        <Link to="/o/$slug/keys/$id" params={{ slug, id: at.id }}>
          The key
        </Link>
      ) : at.screen === 'prices' ? (
        <Link to="/o/$slug/prices" params={{ slug }}>
          What has no price yet
        </Link>
      ) : (
        <Link to="/o/$slug/requests" params={{ slug }} search={at.refused ? { kind: 'refused' } : {}}>
          {at.refused ? 'The calls that were refused' : 'The calls'}
        </Link>
      )}
    </Fact>
  )
}

function Deliveries({ alert, zone, again }: { alert: OneAlert; zone: string; again: boolean }) {
  const queries = useQueryClient()
  const replay = async () => {
    try {
      const { deliveries } = (
        await postAlertsAlertIdReplay({ path: { alert_id: alert.id }, body: {}, throwOnError: true })
      ).data
      await queries.invalidateQueries({ queryKey: ['alerts'] })
      notifications.show({
        message: deliveries === 1 ? 'One delivery goes out again.' : `${deliveries} deliveries go out again.`,
      })
    } catch (found) {
      notifications.show({ color: 'alarm', title: 'That did not work', message: (found as Error).message })
    }
  }
  return (
    <Section
      title="Deliveries"
      end={
        again &&
        alert.deliveries.length > 0 && (
          <Button size="compact-sm" variant="default" onClick={replay}>
            Send again
          </Button>
        )
      }
    >
      {alert.deliveries.length === 0 ? (
        <p className="soft" style={{ paddingTop: 12 }}>
          No channel was to say it: there was none for alerts of this kind, gravity and scope, or it is muted.
        </p>
      ) : (
        <div className="table-scroll">
          <table className="book">
            <thead>
              <tr>
                <th scope="col">Channel</th>
                <th scope="col">Told</th>
                <th scope="col">State</th>
                <th scope="col">When</th>
                <th scope="col">Answer</th>
              </tr>
            </thead>
            <tbody>
              {alert.deliveries.map((delivery) => (
                <DeliveryRows key={`${delivery.channel} ${delivery.event}`} delivery={delivery} zone={zone} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Section>
  )
}

function DeliveryRows({ delivery, zone }: { delivery: Delivery; zone: string }) {
  return (
    <>
      <tr>
        <td>{delivery.channel}</td>
        <td>{delivery.event}</td>
        <td>
          <Outcome state={delivery.state} />
        </td>
        <td>
          {delivery.done_at
            ? atText(delivery.done_at, zone)
            : delivery.next_at && `due ${atText(delivery.next_at, zone)}`}
        </td>
        <td />
      </tr>
      {delivery.attempts.map((attempt, number) => (
        <tr key={attempt.at}>
          <td colSpan={2} className="label">
            attempt {number + 1}
          </td>
          <td>
            <Outcome state={attempt.result} />
          </td>
          <td>{atText(attempt.at, zone)}</td>
          <td title={attempt.said}>
            {attempt.status > 0 && attempt.status} {attempt.said}{' '}
            <span className="label">{grouped(attempt.took_ms)} ms</span>
          </td>
        </tr>
      ))}
    </>
  )
}

function Acknowledge({ alert, close }: { alert: OneAlert; close: () => void }) {
  const { busy, problem, send } = useChange('alerts')
  return (
    <FormDialog
      title="Acknowledge"
      verb="Acknowledge"
      size="md"
      {...{ busy, problem, close }}
      submit={(text) =>
        send(
          () =>
            postAlertsAlertIdAcknowledge({
              path: { alert_id: alert.id },
              body: { note: text('note') },
              throwOnError: true,
            }),
          'You see to it.',
          close,
        )
      }
    >
      <p className="soft">
        Whoever looks next sees that you see to it. It holds for all that is open of the same matter; a
        further step is news again.
      </p>
      <Textarea name="note" label="Note" placeholder="Asked the team" maxLength={500} data-autofocus />
    </FormDialog>
  )
}
