// One budget: how each subject stands in the window that runs, who holds what of it, and whom it turned away last.
import { Button, Menu } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { getBudgetsBudgetId } from '../api/sdk.gen'
import type { Node, OneBudget, TurnedAway } from '../api/types.gen'
import {
  amountOf,
  fullest,
  MODES,
  nameOf,
  scopeOf,
  shareOf,
  spentBy,
  standingOf,
  toldOf,
  type Unit,
} from '../budgets'
import { Book, type Column } from '../parts/Book'
import { Amount, BudgetBar } from '../parts/BudgetBar'
import { Fact, Figure } from '../parts/Figure'
import { Findings, useBudgetFindings } from '../parts/Findings'
import { Page, Section, Subject } from '../parts/Page'
import { useWho } from '../parts/people'
import { Coming, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { Course, History, percentsText, Thresholds } from './budgetcourse'
import { ChangeBudget, RaiseBudget, RemoveBudget, SETTERS } from './budgetforms'
import type { Act } from './budgetsearch'

const AGAIN_MS = 5_000

export default function Budget() {
  const { slug, id } = useParams({ from: '/o/$slug/budgets/$id' })
  const { act } = useSearch({ from: '/o/$slug/budgets/$id' })
  const navigate = useNavigate({ from: '/o/$slug/budgets/$id' })
  const maySet = may(useSession(), ...SETTERS)
  const tells = may(useSession(), 'owner', 'admin', 'finance')
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['budgets', 'one', id],
    queryFn: async () =>
      (await getBudgetsBudgetId({ path: { budget_id: Number(id) }, throwOnError: true })).data,
    refetchInterval: AGAIN_MS,
    enabled: act !== 'remove' || !maySet,
  })
  const open = (wanted: Act) => navigate({ search: { act: wanted } })
  const close = () => navigate({ search: {} })
  // One that a policy keeps changes with it alone.
  const sets = maySet && data?.policy === null
  return (
    <Page
      title="Budget"
      question={data ? <Said budget={data} /> : `Number ${id}`}
      actions={
        <>
          <Link to="/o/$slug/budgets" params={{ slug }}>
            All budgets
          </Link>
          {data && sets && (
            <>
              <Button onClick={() => open('raise')}>Raise limit</Button>
              <Menu position="bottom-end">
                <Menu.Target>
                  <Button variant="default" px="xs" aria-label={`Actions for ${nameOf(data)}`}>
                    <IconDots size={16} />
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => open('change')}>Change…</Menu.Item>
                  {tells && <Menu.Item onClick={() => open('alerts')}>Alerts at…</Menu.Item>}
                  <Menu.Item color="var(--red)" onClick={() => open('remove')}>
                    Remove…
                  </Menu.Item>
                </Menu.Dropdown>
              </Menu>
            </>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : (
        <Shown budget={data} slug={slug} />
      )}
      {data && sets && act === 'change' && <ChangeBudget budget={data} close={close} />}
      {data && sets && act === 'raise' && <RaiseBudget budget={data} close={close} />}
      {data && tells && act === 'alerts' && <Thresholds budget={data} close={close} />}
      {data && sets && act === 'remove' && (
        <RemoveBudget
          budget={data}
          close={close}
          removed={() => navigate({ to: '/o/$slug/budgets', params: { slug } })}
        />
      )}
    </Page>
  )
}

function Said({ budget }: { budget: OneBudget }) {
  return (
    <>
      <Subject>{nameOf(budget)}</Subject> <span className="tag">{budget.mode}</span>
    </>
  )
}

function Shown({ budget, slug }: { budget: OneBudget; slug: string }) {
  const { zone } = useZone()
  const who = useWho()
  const findings = useBudgetFindings()?.find((one) => one.id === budget.id)?.findings ?? []
  const worst = fullest(budget)
  const standing = standingOf(budget, worst)
  const spent = spentBy(budget, worst?.subject || budget.value, zone)
  const whose = worst && budget.nodes.length > 1 ? `of ${worst.subject}, the fullest` : ''
  return (
    <>
      <Findings findings={findings} />
      <div className="figures">
        <Figure label="Limit" note={budget.window === 'total' ? 'in all' : `each ${budget.window}`}>
          <Amount unit={budget.unit} amount={standing.limit} />
        </Figure>
        <Figure label="Spent" note={whose || <Calls of={spent} slug={slug} words="by these calls" />}>
          <Amount unit={budget.unit} amount={standing.spent} />
        </Figure>
        <Figure label="Held" note={whose || 'for calls under way or to come'}>
          <Amount unit={budget.unit} amount={standing.held} />
        </Figure>
        <Figure label="Free" note={budget.resets_at ? `until ${atText(budget.resets_at, zone)}` : 'no end'}>
          <Amount unit={budget.unit} amount={standing.free} />
        </Figure>
      </div>

      <Course budget={budget} />

      <Section title="How each stands">
        {budget.nodes.length ? (
          <Book
            caption="How each stands"
            columns={nodeColumns(budget, slug, zone)}
            rows={budget.nodes}
            id={(node) => node.subject}
          />
        ) : (
          <p className="state soft">Nothing was counted in the window that runs.</p>
        )}
      </Section>

      <Refusals budget={budget} slug={slug} zone={zone} />
      <Holders budget={budget} zone={zone} />

      <div className="two">
        <Section title="The budget">
          <dl className="facts">
            <Fact name="On">{scopeOf(budget)}</Fact>
            <Fact name="Time zone">{budget.zone}</Fact>
            <Fact name="Mode">{MODES[budget.mode]}</Fact>
            <Fact name="Too long an answer">
              {budget.on_exceed === 'clamp' ? 'is asked for shorter, to what fits' : ''}
            </Fact>
            <Fact name="Set as">
              {budget.currency && `${budget.limit_in_currency} ${budget.currency} at ${budget.rate}`}
            </Fact>
            <Fact name="Alerts">{percentsText(budget.alert_percents)}</Fact>
            <Fact name="Kept by">
              {budget.policy !== null && (
                <Link to="/o/$slug/policies/$id" params={{ slug, id: String(budget.policy) }}>
                  policy {budget.policy}
                </Link>
              )}
            </Fact>
            <Fact name="Owner">{budget.owner}</Fact>
            <Fact name="Note">{budget.note}</Fact>
            <Fact name="Ends for good">{budget.ends_at && atText(budget.ends_at, zone)}</Fact>
            <Fact name="Made">
              {atText(budget.created_at, zone)} by {who(budget.created_by)}
            </Fact>
            <Fact name="Version">{budget.version}</Fact>
          </dl>
        </Section>
        <Section title="Raises">
          {budget.raises.length ? (
            <dl className="facts">
              {budget.raises.map((raise, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: raises have no names, and two may be alike
                <Fact key={place} name={`until ${atText(raise.until, zone)}`}>
                  + <Amount unit={budget.unit} amount={amountOf(budget.unit, raise, 'amount')} />
                </Fact>
              ))}
            </dl>
          ) : (
            <p className="state soft">
              None is in force. A raise adds to the limit until a moment, for a reason.
            </p>
          )}
        </Section>
      </div>
      <History budget={budget} />
    </>
  )
}

function nodeColumns(budget: OneBudget, slug: string, zone: string): Column<Node>[] {
  const calls = (node: Node) => spentBy(budget, node.subject || budget.value, zone)
  const amount = (name: 'spent' | 'held' | 'free', title: string, wide: boolean): Column<Node> => ({
    id: name,
    title,
    value: (node) => standingOf(budget, node)[name],
    shown: (node) => <Amount unit={budget.unit} amount={standingOf(budget, node)[name]} />,
    number: true,
    wide,
  })
  return [
    {
      id: 'subject',
      title: 'Whose',
      value: (node) => node.subject || budget.value,
      shown: (node) => (
        <Calls
          of={calls(node)}
          slug={slug}
          words={budget.scope === 'org' ? 'The whole organisation' : node.subject || budget.value}
        />
      ),
    },
    {
      id: 'used',
      title: 'Used',
      value: (node) => node.used_percent,
      shown: (node) => {
        const standing = standingOf(budget, node)
        return (
          <span className="used">
            <BudgetBar standing={standing} />
            <span>{shareOf(standing.spent + standing.held, standing.limit).toFixed(1)} %</span>
          </span>
        )
      },
    },
    amount('spent', 'Spent', false),
    amount('held', 'Held', true),
    amount('free', 'Free', true),
  ]
}

/** Words that lead to calls, where the list of calls can find them. */
function Calls({ of, slug, words }: { of: ReturnType<typeof spentBy>; slug: string; words: string }) {
  return of ? (
    <Link to="/o/$slug/requests" params={{ slug }} search={of}>
      {words}
    </Link>
  ) : (
    words
  )
}

const WHY: Record<string, string> = {
  budget_exceeded: 'It did not fit any more',
  budget_held: 'What was free was held for other calls',
}

function Refusals({ budget, slug, zone }: { budget: OneBudget; slug: string; zone: string }) {
  if (!budget.last_refusals.length) return null
  const told = (name: string, title: string, wide: boolean): Column<TurnedAway> => ({
    id: name,
    title,
    value: (one) => toldOf(budget.unit, one.budget, name),
    shown: (one) => <Told unit={budget.unit} one={one} name={name} />,
    number: true,
    wide,
  })
  return (
    <Section title="Refused last" end="as it stood then">
      <Book
        caption="Refused last"
        rows={budget.last_refusals}
        id={(one) => one.request_id}
        columns={[
          {
            id: 'at',
            title: 'When',
            value: (one) => one.at,
            shown: (one) => (
              <Link to="/o/$slug/requests/$id" params={{ slug, id: one.request_id }}>
                {atText(one.at, zone)}
              </Link>
            ),
          },
          { id: 'code', title: 'Why', value: (one) => WHY[one.code] ?? one.code, wide: true },
          { id: 'team', title: 'Team', value: (one) => one.team, wide: true },
          { id: 'model', title: 'Model', value: (one) => one.model, wide: true },
          told('needed', 'Needed at most', false),
          told('spent', 'Spent', true),
          told('held', 'Held', true),
          told('limit', 'Limit', false),
        ]}
      />
    </Section>
  )
}

function Told({ unit, one, name }: { unit: Unit; one: TurnedAway; name: string }) {
  const amount = toldOf(unit, one.budget, name)
  return amount === null ? <span className="quiet">–</span> : <Amount unit={unit} amount={amount} />
}

type Holding = { id: string; whose: string; what: string; amount: bigint }

function Holders({ budget, zone }: { budget: OneBudget; zone: string }) {
  const gateways = budget.nodes.flatMap((node) =>
    node.holders.map(
      (holder): Holding => ({
        id: `${holder.id} ${node.subject}`,
        whose: holder.id === 'deferred' ? 'Jobs whose cost is still to come' : `Gateway ${holder.id}`,
        what: [
          budget.nodes.length > 1 && node.subject,
          holder.written_off ? 'written off' : !holder.alive && 'gone',
        ]
          .filter(Boolean)
          .join(', '),
        amount: amountOf(budget.unit, holder, 'amount'),
      }),
    ),
  )
  const calls = budget.open_calls.map(
    (one): Holding => ({
      id: `${one.key_id} ${one.team}`,
      whose: `${one.calls} open ${one.calls === 1 ? 'call' : 'calls'} of ${one.team ?? 'no team'}`,
      what: `${one.key_id}, since ${atText(one.since, zone)}${one.jobs ? `, ${one.jobs} of them jobs` : ''}`,
      amount: amountOf(budget.unit, one, 'held'),
    }),
  )
  if (!gateways.length && !calls.length) return null
  const columns: Column<Holding>[] = [
    { id: 'whose', title: 'Who', value: (one) => one.whose },
    { id: 'what', title: 'What of it', value: (one) => one.what || null, wide: true },
    {
      id: 'amount',
      title: 'Holds',
      value: (one) => one.amount,
      shown: (one) => <Amount unit={budget.unit} amount={one.amount} />,
      number: true,
    },
  ]
  return (
    <>
      {gateways.length > 0 && (
        <Section title="Who holds it">
          <Book caption="Who holds it" columns={columns} rows={gateways} id={(one) => one.id} />
        </Section>
      )}
      {calls.length > 0 && (
        <Section title="Of that, calls under way that the ledger knows">
          <Book caption="Calls under way" columns={columns} rows={calls} id={(one) => one.id} />
        </Section>
      )}
      <p className="label">{budget.not_known}</p>
    </>
  )
}
