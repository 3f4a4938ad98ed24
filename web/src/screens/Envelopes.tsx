// Envelopes: what Finance granted to whom and until when, and what is asked for and waits for a signature.
import { Button, SegmentedControl } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { getEnvelopes } from '../api/sdk.gen'
import type { Envelope } from '../api/types.gen'
import { scopeOf, shareOf } from '../budgets'
import {
  ASKERS,
  daysLeft,
  inkOf,
  isSigned,
  nanosIn,
  STATES,
  type State,
  standingOf,
  stateText,
} from '../envelopes'
import { places } from '../money'
import { AsCsv, type Column } from '../parts/Book'
import { BudgetBar } from '../parts/BudgetBar'
import { Snippet } from '../parts/Copy'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { useWho } from '../parts/people'
import { Empty } from '../parts/states'
import { lastDayText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { DoesItFit } from './envelopefit'
import { AskForEnvelope } from './envelopeforms'
import type { EnvelopesSearch } from './envelopesearch'

const AGAIN_MS = 15_000
const COMMAND = `tallystick envelopes request team:search --amount 20000 --until 2026-12-31 \\
  --purpose 'the launch'`
const EVERY = 'all'

export default function Envelopes() {
  const search = useSearch({ from: '/o/$slug/envelopes' })
  const { slug } = useParams({ from: '/o/$slug/envelopes' })
  const navigate = useNavigate({ from: '/o/$slug/envelopes' })
  const set = (
    more: { [name in keyof EnvelopesSearch]: EnvelopesSearch[name] | undefined },
    replace = true,
  ) => navigate({ search: (before: EnvelopesSearch) => ({ ...before, ...more }) as EnvelopesSearch, replace })
  const asks = may(useSession(), ...ASKERS)
  const list = useList(
    ['envelopes', 'list'],
    async (page) => (await getEnvelopes({ query: page, throwOnError: true })).data,
    { anew: AGAIN_MS },
  )
  const passes = (one: Envelope) =>
    (!search.state || one.state === search.state) &&
    says(search.q, [scopeOf(one), one.purpose, one.owner, one.comment, one.state])
  const shown = list.items.filter(passes)
  const columns = useColumns(slug, shown)
  const counted = (state: State) => list.items.filter((one) => one.state === state).length
  const open = () => set({ ask: true }, false)
  return (
    <Page
      title="Envelopes"
      question="What is granted to whom and until when, and what waits for a signature?"
      actions={
        <>
          <AsCsv
            name="envelopes"
            columns={WRITTEN}
            rows={async () => (await list.all()).filter(passes)}
            none={!shown.length}
          />
          <Button variant="default" onClick={() => set({ fits: true }, false)}>
            Does a plan fit?
          </Button>
          {asks && (
            <Button leftSection={<IconPlus size={16} />} onClick={open}>
              Ask for one
            </Button>
          )}
        </>
      }
    >
      <Listing
        title="Envelopes"
        list={list}
        rows={shown}
        columns={columns}
        id={(one) => String(one.id)}
        named={(one) => one.purpose}
        sort={search.sort ?? 'state'}
        onSort={(sort) => set({ sort })}
        ended={(one) => one.state === 'ended' || one.state === 'declined'}
        search={{ text: search.q, of: 'scope, purpose, owner', set: (q) => set({ q }) }}
        filters={
          list.items.length > 0 && (
            <SegmentedControl
              size="xs"
              aria-label="State"
              data={[
                { value: EVERY, label: 'All' },
                ...(Object.keys(STATES) as State[])
                  .filter((state) => counted(state) > 0 || state === search.state)
                  .map((state) => ({ value: state, label: `${STATES[state]} ${counted(state)}` })),
              ]}
              value={search.state ?? EVERY}
              onChange={(state) => set({ state: state === EVERY ? undefined : (state as State) })}
            />
          )
        }
        clear={() => set({ q: undefined, state: undefined })}
        empty={
          <Empty
            title="No envelopes yet"
            action={asks && <Button onClick={open}>Ask for the first one</Button>}
          >
            <p>
              An envelope is money that Finance grants to a team or anybody else until a day: asked for with
              the figures behind it, then signed as it is, edited or declined. Signed, it is a hard budget,
              and the signature stands in the ledger. In a terminal:
            </p>
            <Snippet text={COMMAND} what="the command" />
          </Empty>
        }
      />
      {search.ask && asks && (
        <AskForEnvelope
          on={search.on}
          slug={slug}
          close={() => set({ ask: undefined, on: undefined })}
          made={(id) => navigate({ to: '/o/$slug/envelopes/$id', params: { slug, id: String(id) } })}
        />
      )}
      {search.fits && <DoesItFit on={search.on} slug={slug} close={() => set({ fits: undefined })} />}
    </Page>
  )
}

const ORDER = Object.keys(STATES)

function useColumns(slug: string, shown: readonly Envelope[]): Column<Envelope>[] {
  const { zone } = useZone()
  const who = useWho()
  const amount = (name: string, title: string): Column<Envelope> => {
    const decimals = places(shown.flatMap((one) => nanosIn(one, name) ?? []))
    return {
      id: name,
      title,
      value: (one) => nanosIn(one, name),
      shown: (one) => {
        const nanos = nanosIn(one, name)
        return nanos === null ? <span className="quiet">–</span> : <Money nanos={nanos} decimals={decimals} />
      },
      number: true,
      wide: true,
    }
  }
  return [
    {
      id: 'purpose',
      title: 'Envelope',
      value: (one) => one.purpose,
      shown: (one) => (
        <Link to="/o/$slug/envelopes/$id" params={{ slug, id: String(one.id) }}>
          {one.purpose}
        </Link>
      ),
    },
    { id: 'on', title: 'For', value: scopeOf, wide: true },
    {
      id: 'state',
      title: 'State',
      value: (one) => ORDER.indexOf(one.state),
      shown: (one) => <span className={inkOf(one.state)}>{stateText(one.state)}</span>,
    },
    { ...amount('amount', 'Amount'), wide: false },
    {
      id: 'used',
      title: 'Used',
      value: (one) =>
        isSigned(one) ? shareOf(standingOf(one).spent + standingOf(one).held, standingOf(one).limit) : null,
      shown: (one) => {
        if (!isSigned(one)) return <span className="quiet">–</span>
        const standing = standingOf(one)
        return (
          <span className="used">
            <BudgetBar standing={standing} />
            <span>{shareOf(standing.spent + standing.held, standing.limit).toFixed(1)} %</span>
          </span>
        )
      },
      wide: true,
    },
    amount('remaining', 'Left'),
    {
      id: 'ends',
      title: 'Until',
      value: (one) => one.ends_at,
      shown: (one) => (
        <>
          {lastDayText(one.ends_at, zone)}
          {one.state === 'active' && one.warning_days ? (
            <span className="tag amber">{daysText(daysLeft(one.ends_at, Date.now()))}</span>
          ) : null}
        </>
      ),
      wide: true,
    },
    { id: 'by', title: 'Asked by', value: (one) => who(one.requested_by), wide: true },
    { id: 'owner', title: 'Owner', value: (one) => one.owner || null, wide: true, hidden: true },
  ]
}

const daysText = (days: number) => (days === 1 ? 'last day' : `${days} days left`)

const text = (name: string): Column<Envelope> => ({
  id: name,
  title: name,
  value: (one) => {
    const found = (one as unknown as Record<string, unknown>)[name]
    return found === null || found === undefined ? null : String(found)
  },
})

/** A file's columns: amounts are whole nano-dollars. */
const WRITTEN: readonly Column<Envelope>[] = [
  'id',
  'scope',
  'value',
  'state',
  'purpose',
  'asked',
  'amount_nanos',
  'spent_nanos',
  'held_nanos',
  'remaining_nanos',
  'allocated_nanos',
  'starts_at',
  'ends_at',
  'owner',
  'evidence',
  'requested_at',
  'requested_by',
  'decided_at',
  'decided_by',
  'comment',
  'parent',
  'budget',
]
  .map(text)
  .concat([
    { id: 'entry', title: 'Entry', value: (one) => one.signature?.entry ?? null },
    { id: 'hash', title: 'Hash', value: (one) => one.signature?.hash ?? null },
  ])
