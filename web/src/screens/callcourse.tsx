// How one call went, moment by moment, and what the ledger has of it: each entry with whether its bytes give its hash.
import { useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getLedgerEntries, getLedgerEntriesSeq } from '../api/sdk.gen'
import type { CallDocument } from '../calls'
import { grouped } from '../money'
import { FileLink } from '../parts/FileLink'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'

type Step = { after: string; what: React.ReactNode }

/** Admitted, answered, settled: what is known of each attempt, in the order in which it happened. */
export function Course({ call }: { call: CallDocument }) {
  const { zone } = useZone()
  const began = Date.parse(call.at)
  const steps: Step[] = call.attempts.flatMap((attempt, place): Step[] => {
    const start = Date.parse(attempt.at) - began
    const which = call.attempts.length > 1 ? `Attempt ${attempt.attempt}: ` : ''
    const last = place === call.attempts.length - 1
    const ended = attempt.latency_ms ?? null
    return [
      {
        after: start <= 0 ? atText(attempt.at, zone) : `+${grouped(start)} ms`,
        what: (
          <>
            {which}admitted, <Money nanos={attempt.held_nanos} /> held, on to {attempt.provider}
          </>
        ),
      },
      ...(last && call.first_byte_ms
        ? [{ after: `+${grouped(start + call.first_byte_ms)} ms`, what: 'first byte of the answer' }]
        : []),
      ...(attempt.outcome && ended !== null
        ? [
            {
              after: `+${grouped(start + ended)} ms`,
              what: (
                <>
                  {which}
                  {attempt.outcome.replaceAll('_', ' ')}
                  {attempt.status ? ` with ${attempt.status}` : ''},{' '}
                  <Money nanos={attempt.cost_nanos ?? '0'} /> booked and the rest of what was held given back
                </>
              ),
            },
          ]
        : []),
    ]
  })
  return steps.length === 0 ? null : (
    <Section title="How it went">
      <ol className="course">
        {steps.map((step, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps have no names, and never change their order
          <li key={place}>
            <span className="label">{step.after}</span>
            <span>{step.what}</span>
          </li>
        ))}
      </ol>
    </Section>
  )
}

export function InLedger({ slug, id, settled }: { slug: string; id: string; settled: string }) {
  const session = useSession()
  const { zone } = useZone()
  const sees = may(session, 'owner', 'admin', 'finance', 'manager', 'auditor')
  const { data, error } = useQuery({
    queryKey: ['ledger', 'of', id, settled],
    queryFn: async () =>
      (await getLedgerEntries({ query: { request: id }, throwOnError: true })).data.items.toReversed(),
    enabled: sees,
  })
  const whole = useQueries({
    queries: (data ?? []).map(({ seq }) => ({
      queryKey: ['ledger', 'entry', String(seq)],
      queryFn: async () => (await getLedgerEntriesSeq({ path: { seq }, throwOnError: true })).data,
    })),
  })
  if (!sees) return null
  return (
    <Section
      title="In the ledger"
      end={
        <Link to="/o/$slug/audit" params={{ slug }} search={{ view: 'entries', request: id }}>
          In the audit
        </Link>
      }
    >
      {error ? (
        <Fault problem={error} />
      ) : !data ? (
        <Coming rows={2} />
      ) : (
        <ul className="offers">
          {data.map((one, place) => {
            const entry = whole[place]?.data
            return (
              <li key={one.seq}>
                <div>
                  <p>
                    <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(one.seq) }}>
                      Entry {grouped(one.seq)}
                    </Link>{' '}
                    {one.sentence}
                  </p>
                  <p className="label">
                    {one.at && atText(one.at, zone)}
                    {entry && (
                      <>
                        {' · '}
                        <span className={`tag ${entry.intact ? 'green' : 'red'}`}>
                          {entry.intact ? 'bytes and hash agree' : 'bytes and hash do not agree'}
                        </span>
                        {entry.checkpoint
                          ? ` · signed ${atText(entry.checkpoint.at, zone)}`
                          : ' · signed within a minute'}
                      </>
                    )}
                  </p>
                </div>
                {entry?.checkpoint && (
                  <FileLink path={`/api/ledger/entries/${one.seq}/proof`} label={`Proof of entry ${one.seq}`}>
                    Proof
                  </FileLink>
                )}
              </li>
            )
          })}
        </ul>
      )}
    </Section>
  )
}
