// The library: versions of prompts that are approved for everybody's use, whom to ask about each, and what a thousand runs cost.
import { Button, Group, Menu, TextInput } from '@mantine/core'
import { IconPlus, IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import {
  getLibrary,
  postLibraryApprovalIdApprove,
  postLibraryApprovalIdDecline,
  putLibraryMark,
} from '../api/sdk.gen'
import type { Approved, ProposalShown } from '../api/types.gen'
import { grouped, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Copy } from '../parts/Copy'
import { useChange } from '../parts/FormDialog'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { dateText } from '../parts/when'
import { type Days, daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { ABOUT, Fork, Propose, placeOf, Rate, Withdraw } from './libraryforms'
import { type LibrarySearch, libraryOf } from './librarysearch'
import { partOf } from './promptsearch'

const PROPOSERS = ['owner', 'admin', 'manager', 'member'] as const
const APPROVERS = ['owner', 'admin', 'manager'] as const

export default function Library() {
  const search = useSearch({ from: '/o/$slug/library' })
  const { slug } = useParams({ from: '/o/$slug/library' })
  const navigate = useNavigate({ from: '/o/$slug/library' })
  const session = useSession()
  const { zone, known } = useZone()
  const proposes = may(session, ...PROPOSERS)
  const approves = may(session, ...APPROVERS)
  const [ending, setEnding] = useState<Approved | null>(null)
  const [rating, setRating] = useState<Approved | null>(null)
  const [forking, setForking] = useState<Approved | null>(null)
  const marking = useChange(...ABOUT)
  const pin = (one: Approved) =>
    marking.send(
      () =>
        putLibraryMark({
          body: { ...placeOf(one), stars: one.stars, pinned: !one.pinned },
          throwOnError: true,
        }),
      one.pinned ? 'Not pinned any more.' : 'Pinned: it stands at the top of your library.',
    )
  const { data, error, refetch } = useLibrary(daysOf(search, todayIn(zone)), known)
  const shown = useMemo(() => data?.items.filter((one) => matches(one, search.q)) ?? [], [data, search.q])
  const columns = useMemo(
    () => columnsOf(slug, wholeDays(search, todayIn(zone)), zone, shown),
    [slug, search, zone, shown],
  )
  const set = (more: Partial<Record<keyof LibrarySearch, unknown>>, replace = false) =>
    navigate({ search: (before: LibrarySearch) => libraryOf({ ...before, ...more }), replace })
  const [pinned, others] = [shown.filter((one) => one.pinned), shown.filter((one) => !one.pinned)]
  const table = (caption: string, rows: readonly Approved[]) => (
    <Book
      caption={caption}
      columns={columns}
      rows={rows}
      id={(one) => JSON.stringify([one.prompt_key, one.version])}
      sort={search.sort ?? 'prompt'}
      onSort={(sort) => set({ sort }, true)}
      named={(one) => `${one.prompt_key} ${one.version}`}
      menu={(one) => (
        <>
          <Menu.Item onClick={() => pin(one)}>{one.pinned ? 'Unpin' : 'Pin'}</Menu.Item>
          <Menu.Item onClick={() => setRating(one)}>Rate…</Menu.Item>
          {proposes && <Menu.Item onClick={() => setForking(one)}>Fork…</Menu.Item>}
          {approves && <Menu.Item onClick={() => setEnding(one)}>Withdraw…</Menu.Item>}
        </>
      )}
    />
  )
  return (
    <Page
      title="Library"
      question="Which prompts may everybody use, and what do a thousand runs cost?"
      actions={
        <>
          <AsCsv name="library" columns={columns} rows={shown} />
          {proposes && (
            <Button leftSection={<IconPlus size={16} />} onClick={() => set({ new: true })}>
              Propose a version
            </Button>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={6} />
      ) : (
        <>
          <Waiting proposals={data.waiting} approves={approves} me={session.account.id} zone={zone} />
          {data.items.length === 0 ? (
            <Empty
              title="Nothing is approved yet"
              action={
                proposes && <Button onClick={() => set({ new: true })}>Propose the first version</Button>
              }
            >
              Somebody proposes a version of a prompt, an owner, an admin or a manager approves it. It stands
              here with whom to ask, what it costs, and the hash that tells its text from any other; the text
              itself is not kept.
            </Empty>
          ) : (
            <>
              <div className="chips">
                <TextInput
                  data-filter
                  aria-label="Filter the library"
                  placeholder="Filter by key, owner or purpose"
                  leftSection={<IconSearch size={16} />}
                  w={300}
                  maw="100%"
                  value={search.q ?? ''}
                  onChange={(event) => set({ q: event.currentTarget.value }, true)}
                />
              </div>
              {shown.length === 0 ? (
                <Empty
                  title="Nothing matches"
                  action={
                    <Button variant="default" onClick={() => set({ q: '' })}>
                      Show all
                    </Button>
                  }
                >
                  Nothing has “{search.q}” in its key, owner or purpose.
                </Empty>
              ) : pinned.length === 0 ? (
                table('Library', others)
              ) : (
                <>
                  <Section title="Pinned by you">{table('Pinned', pinned)}</Section>
                  {others.length > 0 && <Section title="All others">{table('Library', others)}</Section>}
                </>
              )}
            </>
          )}
        </>
      )}
      {search.new && proposes && <Propose close={() => set({ new: undefined })} />}
      {marking.problem !== null && <Fault problem={marking.problem} />}
      {rating && <Rate one={rating} close={() => setRating(null)} />}
      {forking && <Fork one={forking} close={() => setForking(null)} />}
      {ending && <Withdraw one={ending} close={() => setEnding(null)} />}
    </Page>
  )
}

function useLibrary(days: Days, known: boolean) {
  return useQuery({
    queryKey: ['library', days],
    queryFn: async () => (await getLibrary({ query: days, throwOnError: true })).data,
    enabled: known,
  })
}

function matches(one: Approved, q?: string): boolean {
  const wanted = q?.trim().toLowerCase()
  return (
    !wanted || [one.prompt_key, one.owner, one.purpose].some((text) => text.toLowerCase().includes(wanted))
  )
}

function columnsOf(
  slug: string,
  range: RangeSearch,
  zone: string,
  shown: readonly Approved[],
): Column<Approved>[] {
  const decimals = places(shown.map((one) => one.per_1000_nanos ?? '0'))
  return [
    {
      id: 'prompt',
      title: 'Prompt',
      value: (one) => one.prompt_key,
      shown: (one) => (
        <Link
          className="key-name"
          to="/o/$slug/prompts/$key"
          params={{ slug, key: partOf(one.prompt_key) }}
          search={range}
        >
          {one.prompt_key}
        </Link>
      ),
    },
    { id: 'version', title: 'Version', value: (one) => one.version },
    { id: 'purpose', title: 'For', value: (one) => one.purpose || null, wide: true },
    { id: 'owner', title: 'Owner', value: (one) => one.owner, wide: true },
    { id: 'model', title: 'Model', value: (one) => one.model, wide: true },
    {
      id: 'runs',
      title: 'Runs',
      number: true,
      wide: true,
      value: (one) => one.requests,
      shown: (one) => grouped(one.requests),
    },
    {
      id: 'per_1000_nanos',
      title: '1,000 runs',
      number: true,
      value: (one) => (one.per_1000_nanos === null ? null : nanosOf(one.per_1000_nanos)),
      shown: (one) =>
        one.per_1000_nanos === null ? (
          <span className="quiet">not called</span>
        ) : (
          <Money nanos={one.per_1000_nanos} decimals={decimals} />
        ),
    },
    {
      id: 'rating',
      title: 'Rating',
      number: true,
      value: (one) => (one.rating_tenths === null ? null : one.rating_tenths / 10),
      shown: (one) =>
        one.rating_tenths === null ? (
          <span className="quiet">–</span>
        ) : (
          <span
            className="nowrap"
            title={`by ${grouped(one.ratings)} ${one.ratings === 1 ? 'person' : 'people'}`}
          >
            {(one.rating_tenths / 10).toFixed(1)} ★ <span className="label">({grouped(one.ratings)})</span>
          </span>
        ),
    },
    {
      id: 'sha256',
      title: 'Text (SHA-256)',
      value: (one) => one.sha256,
      shown: (one) =>
        one.sha256 ? (
          <span className="nowrap">
            <code>{one.sha256.slice(0, 10)}…</code> <Copy text={one.sha256} what="the hash" />
          </span>
        ) : (
          <span className="quiet">not given</span>
        ),
      wide: true,
    },
    {
      id: 'approved',
      title: 'Approved',
      value: (one) => one.approved_at,
      shown: (one) => dateText(one.approved_at, zone),
      wide: true,
    },
  ]
}

function Waiting({
  proposals,
  approves,
  me,
  zone,
}: {
  proposals: ProposalShown[]
  approves: boolean
  me: string
  zone: string
}) {
  const { busy, problem, send } = useChange(...ABOUT)
  if (!proposals.length) return null
  const decide = (id: string, approve: boolean, said: string) =>
    send<unknown>(
      () =>
        (approve ? postLibraryApprovalIdApprove : postLibraryApprovalIdDecline)({
          path: { approval_id: id },
          throwOnError: true,
        }),
      said,
    )
  return (
    <Section title="Waiting for an approval">
      {problem !== null && <Fault problem={problem} />}
      <ul className="waiting" aria-label="Waiting for an approval">
        {proposals.map((one) => {
          const what = one.what as { prompt_key: string; version: string; owner: string; purpose: string }
          const mine = one.proposed_by === me
          return (
            <li key={one.id}>
              <span>
                <strong>{what.prompt_key}</strong> version {what.version}, owner {what.owner}
                {what.purpose && `: ${what.purpose}`}
                <span className="label"> · proposed {dateText(one.proposed_at, zone)}</span>
              </span>
              <Group gap="xs" wrap="nowrap">
                {approves && !mine && (
                  <Button
                    size="compact-sm"
                    disabled={busy}
                    onClick={() => decide(one.id, true, 'Approved; it stands in the library.')}
                  >
                    Approve
                  </Button>
                )}
                {(approves || mine) && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    disabled={busy}
                    onClick={() => decide(one.id, false, mine ? 'Taken back.' : 'Declined.')}
                  >
                    {mine ? 'Take back' : 'Decline'}
                  </Button>
                )}
              </Group>
            </li>
          )
        })}
      </ul>
    </Section>
  )
}
