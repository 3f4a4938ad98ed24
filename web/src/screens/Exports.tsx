// The books as files: which calls, how many rows they come to and what those cost, and the ledger for whoever checks it.
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { getExportsTotals } from '../api/sdk.gen'
import { full, grouped } from '../money'
import { Copy, Snippet } from '../parts/Copy'
import { Figure } from '../parts/Figure'
import { FileLink } from '../parts/FileLink'
import { Filters } from '../parts/Filters'
import { keysIn, useKeyNames } from '../parts/keynames'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { daysOf, todayIn } from '../range'
import { may, useSession, useZone } from '../session'
import { type CallSearch, filteredBy, filtersOf, KINDS, type Kind } from './callsearch'
import { exploreOfCalls } from './exploresearch'

const FILES = [
  {
    path: '/api/exports/calls.csv',
    name: 'Calls, CSV',
    what: 'For spreadsheets and loaders. Amounts stand in whole nanos and as decimals; no cell is run as a formula.',
  },
  {
    path: '/api/exports/calls.jsonl',
    name: 'Calls, JSON lines',
    what: 'The same columns, one object a line; tags and dimensions as they were said.',
  },
] as const

export default function Exports() {
  const search = useSearch({ from: '/o/$slug/exports' })
  const { slug } = useParams({ from: '/o/$slug/exports' })
  const navigate = useNavigate({ from: '/o/$slug/exports' })
  const session = useSession()
  const { zone, known } = useZone()
  const set = (more: Partial<CallSearch>) =>
    navigate({ search: (before: CallSearch) => ({ ...before, ...more }) })
  const { start, end } = daysOf(search, todayIn(zone))
  const filters = filtersOf(search)
  const nameOfKey = useKeyNames(keysIn(filters))
  const asked = {
    start,
    end,
    kind: search.kind ?? ('all' as const),
    ...(filters.length ? { filters: JSON.stringify(filters) } : {}),
  }
  const beside = exploreOfCalls(search)
  const totals = useQuery({
    queryKey: ['exports', asked],
    queryFn: async () => (await getExportsTotals({ query: asked, throwOnError: true })).data,
    enabled: known,
  })
  return (
    <Page
      title="Exports"
      question="Which calls go out, how many rows are they, and what must they add up to?"
    >
      <div className="chips">
        <SegmentedControl
          size="xs"
          aria-label="Kind of call"
          data={(Object.keys(KINDS) as Kind[]).map((kind) => ({ value: kind, label: KINDS[kind] }))}
          value={search.kind ?? 'all'}
          onChange={(kind) => set({ kind: kind === 'all' ? undefined : (kind as Kind) })}
        />
        <Filters
          filters={filters}
          set={(more) => navigate({ search: (before: CallSearch) => filteredBy(before, more) })}
          nameOfKey={nameOfKey}
          days={{ start, end }}
        />
      </div>
      {totals.error ? (
        <Fault problem={totals.error} retry={totals.refetch} />
      ) : totals.isPending ? (
        <Coming rows={3} />
      ) : (
        <>
          <div className="figures">
            <Figure label="Rows" note="one for each call, refusals too">
              {grouped(totals.data.calls)}
            </Figure>
            <Figure label="Attempts" note="a row tells all attempts of its call">
              {grouped(totals.data.attempts)}
            </Figure>
            <Figure
              label="Control total"
              note={
                <>
                  {full(totals.data.cost_nanos as never)} exactly
                  {' · '}
                  <Link to="/o/$slug/explore" params={{ slug }} search={beside}>
                    the same in Explore
                  </Link>
                </>
              }
            >
              <Money nanos={totals.data.cost_nanos as never} />
            </Figure>
          </div>
          <Section title="These calls" end={`${start} to ${end}, ${zone}`}>
            <ul className="offers">
              {FILES.map((file) => (
                <li key={file.path}>
                  <div>
                    <strong>{file.name}</strong>
                    <p className="soft">{file.what}</p>
                  </div>
                  <FileLink path={file.path} asked={asked} label={`Download ${file.name}`}>
                    Download
                  </FileLink>
                </li>
              ))}
            </ul>
            <p className="label">
              The sum of a file’s column <code>cost_nanos</code> is{' '}
              <code>{String(totals.data.cost_nanos)}</code>{' '}
              <Copy text={String(totals.data.cost_nanos)} what="the control total" />
            </p>
          </Section>
        </>
      )}
      {may(session, 'owner', 'admin', 'finance', 'auditor') && (
        <Section title="The whole ledger">
          <ul className="offers">
            <li>
              <div>
                <strong>Ledger, JSON lines</strong>
                <p className="soft">
                  Every entry’s exact bytes from the first to the last, and every signed checkpoint. It can be
                  checked on any machine with Python alone; a chain is checked as a whole, so it takes no
                  filter.
                </p>
              </div>
              <FileLink path="/api/exports/ledger.jsonl" label="Download the ledger">
                Download
              </FileLink>
            </li>
          </ul>
          <Snippet
            text={`python3 verify_export.py tallystick-${slug}-ledger.jsonl`}
            what="the line that checks it"
          />
          <p className="label after">
            <code>verify_export.py</code> is one file of the source, in <code>scripts/</code>. The file’s
            first line names the key that signs; whoever keeps it, gives it with <code>--key</code>.
          </p>
        </Section>
      )}
      <Section title="The same in a terminal">
        <Snippet
          text={`tallystick export calls-csv --org ${slug} --from ${start} --to ${end} --out calls.csv\ntallystick export ledger-jsonl --org ${slug} --out ledger.jsonl`}
          what="these lines"
        />
      </Section>
    </Page>
  )
}
