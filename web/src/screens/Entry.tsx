// One entry of the ledger: what it says, its exact bytes, its place in the chain, its postings, and the proof of it.
import { Button, Group } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { getLedgerEntriesSeq } from '../api/sdk.gen'
import type { WholeEntry } from '../api/types.gen'
import { full, grouped } from '../money'
import { Changes } from '../parts/Changes'
import { Copy, Snippet } from '../parts/Copy'
import { Fact } from '../parts/Figure'
import { FileLink } from '../parts/FileLink'
import { Page, Section } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Coming, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { useZone } from '../session'
import { byName, kindName, millis } from './auditsearch'
import { partOf } from './promptsearch'

const SIGNED_SOON_MS = 15_000

export default function EntryScreen() {
  const { slug, seq } = useParams({ from: '/o/$slug/audit/$seq' })
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['ledger', 'entry', seq],
    queryFn: async () => (await getLedgerEntriesSeq({ path: { seq: Number(seq) }, throwOnError: true })).data,
    refetchInterval: ({ state }) => (state.data && !state.data.checkpoint ? SIGNED_SOON_MS : false),
  })
  return (
    <Page
      title={`Entry ${grouped(Number(seq))}`}
      question={data?.sentence ?? 'What stands at this place of the ledger?'}
      actions={data && <Neighbours entry={data} slug={slug} />}
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : (
        <Told entry={data} slug={slug} />
      )}
    </Page>
  )
}

function Neighbours({ entry, slug }: { entry: WholeEntry; slug: string }) {
  const to = (seq: number) => ({ slug, seq: String(seq) })
  return (
    <Group gap="xs">
      {entry.seq > 0 && (
        <Button
          variant="default"
          renderRoot={(props) => <Link to="/o/$slug/audit/$seq" params={to(entry.seq - 1)} {...props} />}
        >
          Previous
        </Button>
      )}
      {entry.seq + 1 < entry.entries && (
        <Button
          variant="default"
          renderRoot={(props) => <Link to="/o/$slug/audit/$seq" params={to(entry.seq + 1)} {...props} />}
        >
          Next
        </Button>
      )}
    </Group>
  )
}

function Told({ entry, slug }: { entry: WholeEntry; slug: string }) {
  const { zone } = useZone()
  const sum = entry.postings.reduce((total, leg) => total + BigInt(leg.amount_nanos), 0n)
  return (
    <>
      <div className="two">
        <Section title="What it is">
          <dl className="facts">
            <Fact name="Kind">
              {kindName(entry.kind)} <span className="label">{entry.kind}</span>
            </Fact>
            <Fact name="Moment">{entry.at && `${atText(entry.at, zone)} ${zone}`}</Fact>
            <Fact name="By">{byName(entry.by)}</Fact>
            <Fact name="Approved by">{byName(entry.approved_by)}</Fact>
            <Fact name="Request">
              {entry.request_id ? (
                <Link to="/o/$slug/requests/$id" params={{ slug, id: entry.request_id }}>
                  <code>{entry.request_id}</code>
                </Link>
              ) : null}
            </Fact>
            <Fact name={entry.kind === 'ADJUST' ? 'Corrects' : 'Belongs to'}>
              {entry.refers_to === null ? null : <Numbered seq={entry.refers_to} slug={slug} />}
            </Fact>
            <Fact name="Later entries">
              {entry.later.length
                ? entry.later.map((seq, place) => (
                    <span key={seq}>
                      {place > 0 && ', '}
                      <Numbered seq={seq} slug={slug} />
                    </span>
                  ))
                : null}
            </Fact>
            <Fact name="The one before">
              {entry.before_seq === null ? null : <Numbered seq={entry.before_seq} slug={slug} />}
            </Fact>
            <Fact name="Changed">{entry.changes.length ? <Changes changes={entry.changes} /> : null}</Fact>
          </dl>
        </Section>
        <Section title="Its place in the chain">
          <dl className="facts">
            <Fact name="Bytes and hash">
              {entry.intact ? (
                <span className="tag green">agree</span>
              ) : (
                <span className="tag red">do not agree</span>
              )}
            </Fact>
            <Fact name="Hash">
              <code className="hash">{entry.leaf}</code> <Copy text={entry.leaf} what="the hash" />
            </Fact>
            <Fact name="Hash before">
              <code className="hash">{entry.previous_leaf}</code>
            </Fact>
            <Fact name="Signed">
              {entry.checkpoint ? (
                `${atText(entry.checkpoint.at, zone)}, over the first ${grouped(entry.checkpoint.size)} entries`
              ) : (
                <span className="tag amber">within a minute</span>
              )}
            </Fact>
            <Fact name="Proof">
              {entry.checkpoint && (
                <FileLink path={`/api/ledger/entries/${entry.seq}/proof`}>Download the proof</FileLink>
              )}
            </Fact>
          </dl>
        </Section>
      </div>
      {entry.postings.length > 0 && (
        <Section title="Postings" end="derived from the entry; they sum to zero">
          <div className="table-scroll">
            <table className="book">
              <caption className="visually-hidden">Postings</caption>
              <thead>
                <tr>
                  <th scope="col">Account</th>
                  <th scope="col" className="number">
                    Amount
                  </th>
                </tr>
              </thead>
              <tbody>
                {entry.postings.map((leg, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: an account may stand twice, the order is the entry's
                  <tr key={place}>
                    <td>{leg.account}</td>
                    <td className="number" data-nanos={String(leg.amount_nanos)}>
                      {full(leg.amount_nanos as never)}
                    </td>
                  </tr>
                ))}
              </tbody>
              <tfoot>
                <tr>
                  <td>Sum</td>
                  <td className="number" data-nanos={String(sum)}>
                    {full(sum)}
                  </td>
                </tr>
              </tfoot>
            </table>
          </div>
        </Section>
      )}
      <Section title="What it says" end="numbers by their names">
        <dl className="facts">
          {Object.entries(entry.said).map(([name, value]) => (
            <Fact key={name} name={name.replace(/_(nanos|us)$/, '').replaceAll('_', ' ')}>
              <Value name={name} value={value} said={entry.said} slug={slug} zone={zone} />
            </Fact>
          ))}
        </dl>
      </Section>
      <Section title="Its exact bytes" end="what is hashed">
        <div className="bytes">
          <Snippet text={entry.exact} what="the bytes" />
        </div>
      </Section>
      {entry.checkpoint && (
        <Section title="Checked elsewhere">
          <Snippet
            text={`python3 verify_export.py tallystick-${slug}-entry-${entry.seq}.json`}
            what="the line that checks the proof"
          />
          <p className="label after">
            The proof has the bytes, the hashes up to a root, and the signature over it.{' '}
            <code>verify_export.py</code> is one file of the source and needs Python alone.
          </p>
        </Section>
      )}
    </>
  )
}

function Numbered({ seq, slug }: { seq: number; slug: string }) {
  return (
    <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(seq) }}>
      entry {grouped(seq)}
    </Link>
  )
}

const MOMENTS = new Set(['at', 'settled', 'starts', 'ends', 'until'])

type Said = {
  name: string
  value: unknown
  said: Record<string, unknown>
  slug: string
  zone: string
}

function Value({ name, value, said, slug, zone }: Said) {
  if (value === true) return 'yes'
  if (name === 'starts' && value === 0) return 'with the first call'
  if (MOMENTS.has(name) && typeof value === 'number')
    return `${atText(new Date(value / 1000).toISOString(), zone)} ${zone}`
  if (name.endsWith('_nanos') && typeof value === 'string' && /^-?\d+$/.test(value)) return full(value)
  if (name.endsWith('_us') && typeof value === 'number') return millis(value)
  if (name === 'budget' && typeof value === 'number')
    return (
      <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(value) }}>
        {value}
      </Link>
    )
  if (name === 'policy' && typeof value === 'number')
    return (
      <Link to="/o/$slug/policies/$id" params={{ slug, id: String(value) }}>
        {value}
      </Link>
    )
  if (typeof value === 'string' && value) {
    if (name === 'team' || name === 'user' || name === 'agent')
      return <SpenderLink whose={{ kind: name, name: value }} />
    if (name === 'project' && typeof said.team === 'string')
      return <SpenderLink whose={{ kind: name, name: value, team: said.team }} />
    if (name === 'prompt_key')
      return (
        <Link to="/o/$slug/prompts/$key" params={{ slug, key: partOf(value) }}>
          {value}
        </Link>
      )
  }
  if (typeof value === 'string' || typeof value === 'number') return value
  return <code>{JSON.stringify(value)}</code>
}
