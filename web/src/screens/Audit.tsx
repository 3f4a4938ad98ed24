// The ledger: who changed what, every entry there is, and whether all of it is as it was written.
import { Button, SegmentedControl, Select, TextInput } from '@mantine/core'
import { IconSearch, IconX } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { getLedgerEntries } from '../api/sdk.gen'
import type { Entry } from '../api/types.gen'
import { grouped, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Changes } from '../parts/Changes'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Proposals } from '../parts/Proposals'
import { Coming, Empty, Fault } from '../parts/states'
import { Verification } from '../parts/Verification'
import { atText } from '../parts/when'
import { daysOf, todayIn } from '../range'
import { may, useSession, useZone } from '../session'
import { ACTS, type AuditSearch, byName, CALLS, kindName } from './auditsearch'

const PAGE = 50

export default function Audit() {
  const search = useSearch({ from: '/o/$slug/audit' })
  const { slug } = useParams({ from: '/o/$slug/audit' })
  const navigate = useNavigate({ from: '/o/$slug/audit' })
  const session = useSession()
  const { zone, known } = useZone()
  const set = (more: Partial<AuditSearch>) =>
    navigate({ search: (before: AuditSearch) => ({ ...before, ...more }) })
  const entries = search.view === 'entries'
  const { start, end } = daysOf(search, todayIn(zone))
  const asked = {
    acts: !entries,
    ...(search.request ? { request: search.request } : { start, end }),
    ...(search.kind ? { kind: [search.kind] } : {}),
    ...(search.about ? { subject: search.about } : {}),
  }
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: ['ledger', 'entries', asked],
      queryFn: async ({ pageParam }) =>
        (
          await getLedgerEntries({
            query: { ...asked, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
            throwOnError: true,
          })
        ).data,
      initialPageParam: '',
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      enabled: known,
    })
  const found = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  const last = data?.pages.at(-1)
  const columns = useMemo(() => columnsOf(slug, zone, entries, found), [slug, zone, entries, found])
  const kinds = entries ? { ...CALLS, ...ACTS } : ACTS

  return (
    <Page
      title="Audit"
      question="Who changed what, and is the ledger what it was when it was written?"
      actions={<AsCsv name={`audit-${start}-${end}`} columns={columns} rows={found} />}
    >
      {may(session, 'owner', 'admin', 'finance', 'auditor') && (
        <Section title="Verification" end="what tallystick verify does">
          <Verification slug={slug} />
        </Section>
      )}
      <Proposals kinds={['override_set', 'override_end', 'adjustment']} />
      <Section
        title={entries ? 'Entries' : 'Who changed what'}
        end={last && `${grouped(last.entries)} entries in the ledger`}
      >
        <div className="chips above">
          <SegmentedControl
            size="xs"
            aria-label="What is shown"
            data={[
              { value: 'acts', label: 'Changes' },
              { value: 'entries', label: 'All entries' },
            ]}
            value={entries ? 'entries' : 'acts'}
            onChange={(view) =>
              set({ view: view === 'entries' ? 'entries' : undefined, kind: undefined, request: undefined })
            }
          />
          <Select
            size="xs"
            w={190}
            aria-label="Kind"
            placeholder="Every kind"
            clearable
            data={Object.entries(kinds).map(([value, label]) => ({ value, label }))}
            value={search.kind ?? null}
            onChange={(kind) => set({ kind: kind ?? undefined })}
          />
          <About key={search.about ?? ''} about={search.about} set={(about) => set({ about })} />
          {search.request && (
            <span className="chip">
              <span>
                <span className="quiet">Request is</span> <code>{search.request}</code>
              </span>
              <button
                type="button"
                aria-label="Remove the filter Request"
                onClick={() => set({ request: undefined })}
              >
                <IconX size={14} aria-hidden />
              </button>
            </span>
          )}
        </div>
        {error ? (
          <Fault problem={error} retry={refetch} />
        ) : isPending ? (
          <Coming rows={10} />
        ) : found.length === 0 ? (
          <Empty
            title={hasNextPage ? 'Nothing so far' : 'Nothing like that in these days'}
            action={
              hasNextPage ? (
                <Button variant="default" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
                  Search further back
                </Button>
              ) : (
                <Button
                  variant="default"
                  onClick={() => navigate({ search: entries ? { view: 'entries' } : {} })}
                >
                  Clear the filters
                </Button>
              )
            }
          >
            {hasNextPage
              ? `Entries down to number ${grouped(last?.searched_to ?? 0)} were looked at.`
              : 'Whatever changes keys, members, budgets, policies, prices or credentials stands here the moment it is done. A wider range is chosen top right.'}
          </Empty>
        ) : (
          <>
            <Book caption="Entries" columns={columns} rows={found} id={(one) => String(one.seq)} />
            {hasNextPage && (
              <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
                {found.length % PAGE ? 'Search further back' : 'Older entries'}
              </Button>
            )}
          </>
        )}
      </Section>
    </Page>
  )
}

function About({ about, set }: { about: string | undefined; set: (about: string | undefined) => void }) {
  const [text, setText] = useState(about ?? '')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        set(text.trim() || undefined)
      }}
    >
      <TextInput
        data-filter
        size="xs"
        w={280}
        maw="100%"
        aria-label="About"
        placeholder="A person, key, team, model …"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={() => (text.trim() || undefined) !== about && set(text.trim() || undefined)}
      />
    </form>
  )
}

function columnsOf(slug: string, zone: string, entries: boolean, found: Entry[]): Column<Entry>[] {
  const amounts = found.flatMap((one) => (one.cost_nanos === null ? [] : [one.cost_nanos as never]))
  const decimals = places(amounts)
  const columns: Column<Entry>[] = [
    {
      id: 'seq',
      title: 'Entry',
      value: (one) => one.seq,
      shown: (one) => (
        <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(one.seq) }}>
          {grouped(one.seq)}
        </Link>
      ),
      number: true,
    },
    {
      id: 'at',
      title: 'When',
      value: (one) => one.at,
      shown: (one) => <span className="nowrap">{one.at ? atText(one.at, zone) : '–'}</span>,
    },
    { id: 'by', title: 'Who', value: (one) => byName(one.by), wide: true },
    {
      id: 'what',
      title: 'What',
      value: (one) => one.sentence,
      shown: (one) => (
        <div className="lines">
          {one.sentence}
          {one.by && <span className="label narrow-only">by {byName(one.by)}</span>}
          {one.approved_by && one.approved_by !== one.by && (
            <span className="label"> approved by {byName(one.approved_by)}</span>
          )}
          <Changes changes={one.changes} />
        </div>
      ),
    },
    { id: 'kind', title: 'Kind', value: (one) => kindName(one.kind), wide: true },
  ]
  if (entries)
    columns.push({
      id: 'cost_nanos',
      title: 'Amount',
      value: (one) => (one.cost_nanos === null ? null : BigInt(one.cost_nanos)),
      shown: (one) =>
        one.cost_nanos === null ? (
          <span className="quiet">–</span>
        ) : (
          <Money nanos={one.cost_nanos as never} decimals={decimals} />
        ),
      number: true,
    })
  return columns
}
