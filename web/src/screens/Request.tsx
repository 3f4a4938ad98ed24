// One call, down to its arithmetic: quantity × rate = amount, line by line, and the entry that was booked.
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { getRequestsRequestId } from '../api/sdk.gen'
import { type CallDocument, shownNanos } from '../calls'
import { full, grouped } from '../money'
import { Arithmetic } from '../parts/Arithmetic'
import { Copy, Snippet } from '../parts/Copy'
import { Fact, Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { useZone } from '../session'
import { Account, PolicyFacts, Refusal } from './callaccount'
import { Verdict } from './callcolumns'
import { Course, InLedger } from './callcourse'

const STILL_OPEN_MS = 1000

export default function Request() {
  const { slug, id } = useParams({ from: '/o/$slug/requests/$id' })
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['request', id],
    queryFn: async () =>
      (await getRequestsRequestId({ path: { request_id: id }, throwOnError: true }))
        .data as unknown as CallDocument,
    refetchInterval: (query) => (query.state.data?.state === 'open' ? STILL_OPEN_MS : false),
  })
  return (
    <Page
      title="Request"
      question={
        <>
          <code>{id}</code> <Copy text={id} what="the request’s id" />
        </>
      }
      actions={
        <Link to="/o/$slug/requests" params={{ slug }}>
          All requests
        </Link>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : (
        <Call call={data} slug={slug} />
      )}
    </Page>
  )
}

function Call({ call, slug }: { call: CallDocument; slug: string }) {
  const { zone } = useZone()
  const named = call.served_model ?? call.requested_model ?? 'no model'
  return (
    <>
      <div className="figures">
        <Figure label="Cost" note={costNote(call)}>
          <Money nanos={shownNanos(call)} />
        </Figure>
        <Figure label="Tokens in" note={cachedNote(call)}>
          {grouped(Number(call.usage?.input ?? 0))}
        </Figure>
        <Figure
          label="Tokens out"
          note={call.usage?.reasoning ? `${grouped(Number(call.usage.reasoning))} of them reasoning` : ''}
        >
          {grouped(Number(call.usage?.output ?? 0))}
        </Figure>
        <Figure
          label="Latency"
          note={call.first_byte_ms ? `first byte after ${grouped(call.first_byte_ms)} ms` : ''}
        >
          {call.latency_ms === null || call.latency_ms === undefined ? '–' : `${grouped(call.latency_ms)} ms`}
        </Figure>
      </div>

      {call.state === 'refused' ? <Refusal call={call} slug={slug} /> : <Arithmetic call={call} />}

      <div className="two">
        <Section title="The call">
          <dl className="facts">
            <Fact name="Began">
              {atText(call.at, zone)} {zone}
            </Fact>
            <Fact name="Status">
              <Verdict call={{ ...call, state: call.state === 'deferred' ? 'open' : call.state }} />
            </Fact>
            <Fact name="Model">{named}</Fact>
            {call.requested_model !== call.served_model && (
              <Fact name="Asked for">{call.requested_model}</Fact>
            )}
            <Fact name="Provider">{call.provider}</Fact>
            <Fact name="Operation">{call.operation}</Fact>
            {call.held_nanos !== undefined && (
              <Fact name="Held before">
                <Money nanos={call.held_nanos} />
              </Fact>
            )}
            <Fact name="Cost by">{call.method && costBy(call.method, call.basis)}</Fact>
            {call.state !== 'refused' && <PolicyFacts call={call} slug={slug} />}
            {call.attempts.map((attempt) => (
              <Fact
                key={attempt.attempt}
                name={call.attempts.length > 1 ? `Attempt ${attempt.attempt}` : 'Answer’s id'}
              >
                {attempt.response_id && <code>{attempt.response_id}</code>}
              </Fact>
            ))}
          </dl>
        </Section>
        <Account call={call} slug={slug} />
      </div>

      {call.adjustments.length > 0 && (
        <Section title="Corrections since it was booked">
          <table className="book">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Why</th>
                <th scope="col">Ledger entry</th>
                <th scope="col" className="number">
                  Change
                </th>
                <th scope="col" className="number">
                  Cost then
                </th>
              </tr>
            </thead>
            <tbody>
              {call.adjustments.map((one) => (
                <tr key={one.entry}>
                  <td>{atText(one.at, zone)}</td>
                  <td>{one.text || one.reason}</td>
                  <td>
                    <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(one.entry) }}>
                      {one.entry}
                    </Link>
                  </td>
                  <td className="number">
                    <Money nanos={one.delta_nanos} />
                  </td>
                  <td className="number">
                    <Money nanos={one.cost_nanos} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Section>
      )}

      <Course call={call} />
      <InLedger slug={slug} id={call.id} settled={call.state} />

      <Section title="The same in a terminal">
        <div style={{ marginTop: 12 }}>
          <Snippet text={`tallystick explain ${call.id}`} what="the command" />
        </div>
      </Section>
    </>
  )
}

// What its cost is, and what that rests on (docs/money.md).
const METHODS: Record<string, string> = {
  stated: 'what the provider says it cost',
  priced: 'the price list',
  estimated: 'an estimate',
  unpriced: 'no price: none is known',
  sandbox: 'the price list, in the sandbox',
}
const BASES: Record<string, string> = {
  usage: 'tokens as the provider counted them',
  counted: 'tokens counted here',
  worst_case: 'what was held, the most it can have cost',
  zero_proven: 'proven to have cost nothing',
  deferred: 'known later',
}

function costBy(method: string, basis: string | null | undefined): string {
  const known = METHODS[method] ?? method
  return basis ? `${known}; ${BASES[basis] ?? basis}` : known
}

function costNote(call: CallDocument): string {
  if (call.sandbox) return 'what it would have cost; a sandbox call is free'
  if (call.state === 'refused') return 'refused before anything was sent'
  if (call.state === 'open' || call.state === 'deferred') return 'not settled yet'
  return full(call.cost_nanos)
}

const cachedNote = (call: CallDocument) =>
  call.usage?.cached_read ? `${grouped(Number(call.usage.cached_read))} of them from the cache` : ''
