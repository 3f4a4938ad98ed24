// One envelope: what was asked for and why, who signed what, how much of it is drawn and whether the rest lasts.
import { Button, Menu } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { getEnvelopesEnvelopeId, getEnvelopesHeadroom, putEnvelopesRequirements } from '../api/sdk.gen'
import type { Envelope as EnvelopeType } from '../api/types.gen'
import { callsOf, scopeOf, shareOf } from '../budgets'
import { daysLeft, inkOf, isSigned, nanosIn, SIGNERS, standingOf, stateText, titleOf } from '../envelopes'
import { BudgetBar } from '../parts/BudgetBar'
import { Copy } from '../parts/Copy'
import { Fact, Figure } from '../parts/Figure'
import { Findings } from '../parts/Findings'
import { useChange } from '../parts/FormDialog'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { SpentLately } from '../parts/SpentLately'
import { Coming, Fault } from '../parts/states'
import { atText, lastDayText } from '../parts/when'
import { todayIn } from '../range'
import { may, useSession, useZone } from '../session'
import {
  DeclineEnvelope,
  EndEnvelope,
  FallBack,
  MoveAllocation,
  SignEnvelope,
  TopUpEnvelope,
} from './envelopeforms'
import type { EnvelopeAct, EnvelopeSearch } from './envelopesearch'

const AGAIN_MS = 10_000
const DIALOGS = {
  sign: SignEnvelope,
  decline: DeclineEnvelope,
  'top-up': TopUpEnvelope,
  move: MoveAllocation,
  fallback: FallBack,
  end: EndEnvelope,
} as const

export default function EnvelopeScreen() {
  const { slug, id } = useParams({ from: '/o/$slug/envelopes/$id' })
  const { act }: EnvelopeSearch = useSearch({ from: '/o/$slug/envelopes/$id' })
  const navigate = useNavigate({ from: '/o/$slug/envelopes/$id' })
  const signs = may(useSession(), ...SIGNERS)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['envelopes', 'one', id],
    queryFn: async () =>
      (await getEnvelopesEnvelopeId({ path: { envelope_id: Number(id) }, throwOnError: true })).data,
    refetchInterval: AGAIN_MS,
  })
  const open = (wanted: EnvelopeAct) => navigate({ search: { act: wanted } })
  const Dialog = act && data && signs && isOpenFor(act, data.state) ? DIALOGS[act] : null
  return (
    <Page
      title="Envelope"
      question={
        data ? (
          <>
            {titleOf(data)} <span className={inkOf(data.state)}>{stateText(data.state)}</span>
          </>
        ) : (
          `Number ${id}`
        )
      }
      actions={
        <>
          <Link to="/o/$slug/envelopes" params={{ slug }}>
            All envelopes
          </Link>
          {data && signs && <Acts state={data.state} open={open} />}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={8} />
      ) : (
        <Shown envelope={data} slug={slug} />
      )}
      {Dialog && data && <Dialog envelope={data} close={() => navigate({ search: {} })} />}
    </Page>
  )
}

function isOpenFor(act: EnvelopeAct, state: string): boolean {
  if (act === 'sign' || act === 'decline') return state === 'requested'
  return state === 'active' || (state === 'to come' && act !== 'move')
}

function Acts({ state, open }: { state: string; open: (act: EnvelopeAct) => void }) {
  if (state === 'requested')
    return (
      <>
        <Button variant="default" onClick={() => open('decline')}>
          Decline…
        </Button>
        <Button onClick={() => open('sign')}>Sign…</Button>
      </>
    )
  if (state !== 'active' && state !== 'to come') return null
  return (
    <>
      <Button onClick={() => open('top-up')}>Top up…</Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px="xs" aria-label="More for this envelope">
            <IconDots size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {state === 'active' && <Menu.Item onClick={() => open('move')}>Move money out of it…</Menu.Item>}
          <Menu.Item onClick={() => open('fallback')}>Cheaper models near its end…</Menu.Item>
          <Menu.Item color="var(--red)" onClick={() => open('end')}>
            End now…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  )
}

function Shown({ envelope, slug }: { envelope: EnvelopeType; slug: string }) {
  const { zone } = useZone()
  const signed = isSigned(envelope)
  const left = daysLeft(envelope.ends_at, Date.now())
  return (
    <>
      {envelope.state === 'active' && envelope.warning_days && (
        <Findings
          findings={[
            `It ends ${atText(envelope.ends_at, zone)}, in ${left === 1 ? 'a day' : `${left} days`}. Top it up with a later end, or ask for the next one.`,
          ]}
        />
      )}
      {signed ? <Drawn envelope={envelope} slug={slug} /> : null}
      <div className="two">
        <Section title="What was asked for">
          <dl className="facts">
            <Fact name="For">{scopeOf(envelope)}</Fact>
            <Fact name="Amount">{envelope.asked}</Fact>
            <Fact name="What for">{envelope.purpose}</Fact>
            <Fact name="Why so much">{envelope.evidence}</Fact>
            <Fact name="From">{envelope.starts_at && atText(envelope.starts_at, zone)}</Fact>
            <Fact name="Until">{atText(envelope.ends_at, zone)}</Fact>
            <Fact name="Owner">{envelope.owner}</Fact>
            <Asked envelope={envelope} />
          </dl>
        </Section>
        <Decided envelope={envelope} slug={slug} />
      </div>
      {!signed && envelope.state === 'requested' && (
        <Section title="What it spends" end="out of the ledger">
          <SpentLately kind={envelope.scope} value={envelope.value} slug={slug} />
        </Section>
      )}
    </>
  )
}

function Asked({ envelope }: { envelope: EnvelopeType }) {
  const { zone } = useZone()
  const who = useWho()
  return (
    <Fact name="Asked by">
      {who(envelope.requested_by)}, {atText(String(envelope.requested_at), zone)}
    </Fact>
  )
}

function Decided({ envelope, slug }: { envelope: EnvelopeType; slug: string }) {
  const { zone } = useZone()
  const who = useWho()
  const { signature } = envelope
  if (!envelope.decided_by)
    return (
      <Section title="Signature">
        <p className="state soft">
          Nobody has signed or declined it yet. An owner, an admin or Finance does.
        </p>
      </Section>
    )
  return (
    <Section title={signature ? 'Signature' : 'Declined'}>
      <dl className="facts">
        <Fact name={signature ? 'Signed by' : 'By'}>
          {who(envelope.decided_by)}, {atText(String(envelope.decided_at), zone)}
        </Fact>
        <Fact name="Comment">{envelope.comment}</Fact>
        {signature && (
          <>
            <Fact name="Entry of the ledger">
              <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(signature.entry) }}>
                number {signature.entry}
              </Link>
            </Fact>
            <Fact name="Hash">
              <code data-hash>{signature.hash}</code> <Copy text={signature.hash} what="the hash" />
            </Fact>
          </>
        )}
      </dl>
      {signature && (
        <p className="label footnote">
          <code>tallystick verify</code> compares this with the ledger, so a row that somebody edits is found.
        </p>
      )}
    </Section>
  )
}

function Drawn({ envelope, slug }: { envelope: EnvelopeType; slug: string }) {
  const { zone } = useZone()
  const standing = standingOf(envelope)
  const calls = callsOf(envelope.scope, envelope.value)
  const day = (at: string | number) => todayIn(zone, new Date(at))
  const began = String(envelope.starts_at ?? envelope.decided_at ?? '')
  const days = began ? { from: day(began), to: day(Math.min(Date.now(), Date.parse(envelope.ends_at))) } : {}
  const figure = (label: string, nanos: bigint, note: ReactNode) => (
    <Figure label={label} note={note}>
      <Money nanos={nanos} />
    </Figure>
  )
  const allocated = nanosIn(envelope, 'allocated') ?? 0n
  return (
    <>
      <div className="figures">
        {figure('Granted', standing.limit, `until the end of ${lastDayText(envelope.ends_at, zone)}`)}
        {figure(
          'Spent',
          standing.spent,
          calls ? (
            <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, ...days, kind: 'calls' }}>
              by these calls
            </Link>
          ) : (
            ''
          ),
        )}
        {figure('Held', standing.held, 'for calls under way or to come')}
        {figure('Left', standing.free, `${shareOf(standing.free, standing.limit).toFixed(1)} % of it`)}
      </div>
      <div className="drawn-bar">
        <BudgetBar standing={standing} />
      </div>
      <Section title="Whether it lasts">
        <dl className="facts">
          {envelope.state === 'active' && <Lasts envelope={envelope} />}
          <Fact name="Allocated of it">{allocated > 0n ? <Money nanos={allocated} /> : null}</Fact>
          <Fact name="Lies in">
            {envelope.parent === null ? null : (
              <Link to="/o/$slug/envelopes/$id" params={{ slug, id: String(envelope.parent) }}>
                envelope {envelope.parent}
              </Link>
            )}
          </Fact>
          <Fact name="Cheaper models">
            {envelope.fallback && (
              <>
                from {envelope.fallback.at_percent} % on,{' '}
                {Object.entries(envelope.fallback.models)
                  .map(([from, to]) => `${from} → ${to}`)
                  .join(', ')}
              </>
            )}
          </Fact>
          <Fact name="Its budget">
            {envelope.budget !== null && (
              <Link to="/o/$slug/budgets/$id" params={{ slug, id: String(envelope.budget) }}>
                who holds it, whom it refused last
              </Link>
            )}
          </Fact>
        </dl>
      </Section>
    </>
  )
}

function Lasts({ envelope }: { envelope: EnvelopeType }) {
  const { data } = useQuery({
    queryKey: ['envelopes', 'fit', envelope.scope, envelope.value],
    queryFn: async () => {
      const query = { scope: envelope.scope, value: envelope.value, monthly_delta_usd: '0' }
      return (await getEnvelopesHeadroom({ query, throwOnError: true })).data
    },
  })
  const mine = data?.envelopes.find((one) => one.envelope === envelope.id)
  if (!data || !mine) return null
  const [expected, headroom] = [nanosIn(mine, 'expected') ?? 0n, nanosIn(mine, 'headroom') ?? 0n]
  return (
    <>
      <Fact name="At its pace so far">
        {expected === 0n ? (
          'too early to say; there is a pace after a day'
        ) : headroom >= 0n ? (
          <>
            takes <Money nanos={expected} /> until its end; <Money nanos={headroom} /> stays
          </>
        ) : (
          <>
            takes <Money nanos={expected} /> until its end: <Money nanos={-headroom} /> more than is left
          </>
        )}
      </Fact>
      <Fact name="Without an envelope">
        {data.envelope_required
          ? 'calls are refused: one is required'
          : 'calls go on under the other budgets'}
        <Requirement envelope={envelope} required={data.envelope_required} />
      </Fact>
    </>
  )
}

/** A scope that needs an envelope has a cap of nothing whenever it has none. */
function Requirement({ envelope, required }: { envelope: EnvelopeType; required: boolean }) {
  const signs = may(useSession(), ...SIGNERS)
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  if (!signs) return null
  const { scope, value } = envelope
  const change = () =>
    send(
      () => putEnvelopesRequirements({ body: { scope, value, required: !required }, throwOnError: true }),
      required ? 'It may spend without an envelope, too.' : 'It may spend only while it has an envelope.',
      () => {},
    )
  return (
    <>
      <Button variant="subtle" size="compact-xs" ml="xs" onClick={change} loading={busy}>
        {required ? 'Require none' : 'Require one'}
      </Button>
      {problem !== null && <Fault problem={problem} />}
    </>
  )
}
