// How a budget's window went so far, and what was done to the budget: the course of one, and its history out of the ledger.
import { Group, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { getBudgetsBudgetIdHistory, getExplore, putAlertsThresholdsBudgetId } from '../api/sdk.gen'
import type { BudgetStep, OneBudget } from '../api/types.gen'
import { amountOf, fullest, nameOf, shareOf, standingOf } from '../budgets'
import { type Bucket, leftOf, overOf, type Span } from '../burndown'
import { grouped, money } from '../money'
import { Book } from '../parts/Book'
import { Amount } from '../parts/BudgetBar'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { Coming } from '../parts/states'
import { atText, dateText } from '../parts/when'
import { beginOf, todayIn } from '../range'
import { may, useSession, useZone } from '../session'
import { filtersOf } from '../usage'

const BurnDown = lazy(() => import('../parts/BurnDown'))
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const HOURS_UP_TO_MS = 8 * DAY_MS
const BUCKETS_MAX = 400
const METRICS = { money: 'cost', tokens: 'tokens', calls: 'requests' } as const

/** By hours where a window is short, or where its days are not those that the explorer has. */
function grainOf(budget: OneBudget, { start, end }: Span, zone: string): 'hour' | 'day' | null {
  const hours = (end - start) / HOUR_MS
  if (hours < 1) return null
  if (end - start <= HOURS_UP_TO_MS || budget.zone !== zone) return hours < BUCKETS_MAX - 48 ? 'hour' : null
  return hours / 24 < BUCKETS_MAX ? 'day' : null
}

export function Course({ budget }: { budget: OneBudget }) {
  const { zone, known } = useZone()
  const worst = fullest(budget)
  const filters = filtersOf(budget.scope, worst?.subject || budget.value)
  const { window_start, resets_at } = budget
  const span = { start: Date.parse(window_start ?? ''), end: Date.parse(resets_at ?? ''), now: Date.now() }
  const grain = window_start && resets_at ? grainOf(budget, span, zone) : null
  const days = grain && {
    start: todayIn(zone, new Date(span.start)),
    end: todayIn(zone, new Date(Math.min(span.now, span.end - 1))),
  }
  const { data } = useQuery({
    queryKey: ['budgets', 'course', budget.id, worst?.subject, days, grain],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...(days || {}),
            grain: grain ?? 'day',
            metric: METRICS[budget.unit],
            ...(filters?.length ? { filters: JSON.stringify(filters) } : {}),
          },
          throwOnError: true,
        })
      ).data,
    enabled: known && grain !== null && filters !== null,
    refetchInterval: 30_000,
  })
  if (grain === null || filters === null) return null
  const standing = standingOf(budget, worst)
  const buckets: Bucket[] = (data?.buckets ?? []).flatMap((bucket, place) => {
    const from = Date.parse(grain === 'hour' ? bucket : beginOf(bucket, zone))
    const until = from + (grain === 'hour' ? HOUR_MS : DAY_MS)
    const amount = BigInt(Math.round(data?.total.values[place] ?? 0))
    return until > span.start && from < span.end ? [{ from, amount }] : []
  })
  const points = leftOf(standing.limit, buckets, span)
  const shown = (amount: bigint) => (budget.unit === 'money' ? money(amount) : grouped(amount))
  const over = overOf(span)
  const used = shareOf(standing.spent, standing.limit)
  return (
    <Section
      title="The window so far"
      end={worst?.subject && budget.nodes.length > 1 ? `of ${worst.subject}` : null}
    >
      <p className="soft footnote">
        {over.toFixed(1)} % of it is over, {used.toFixed(1)} % is spent
        {used > over ? ': faster than an even pace.' : '.'}
      </p>
      <Suspense fallback={<Coming rows={4} />}>
        <BurnDown
          limit={standing.limit}
          points={points}
          span={span}
          shown={shown}
          atText={(at) => {
            const moment = new Date(at).toISOString()
            return grain === 'day'
              ? dateText(moment, zone).replace(/ \d{4}$/, '')
              : atText(moment, zone).slice(0, -3)
          }}
        />
      </Suspense>
    </Section>
  )
}

const EVENTS: Record<string, string> = {
  made: 'Made',
  changed: 'Changed',
  raised: 'Raised',
  ended: 'Ended',
  removed: 'Removed',
  thresholds: 'Alerts set',
}

export function History({ budget }: { budget: OneBudget }) {
  const { slug = '' } = useParams({ strict: false })
  const { zone } = useZone()
  const reads = may(useSession(), 'owner', 'admin', 'finance', 'manager', 'auditor')
  const who = useWho()
  const { data } = useQuery({
    queryKey: ['budgets', 'history', budget.id, budget.version],
    queryFn: async () =>
      (await getBudgetsBudgetIdHistory({ path: { budget_id: budget.id }, throwOnError: true })).data,
  })
  if (!data?.items.length) return null
  const limit = (one: BudgetStep) => ('mode' in one && one.mode ? amountOf(budget.unit, one, 'limit') : null)
  return (
    <Section
      title="History"
      end={data.whole ? 'each line is an entry of the ledger' : 'the last ones; the ledger has all'}
    >
      <Book
        caption="History"
        rows={data.items}
        id={(one) => String(one.entry)}
        columns={[
          { id: 'at', title: 'When', value: (one) => one.at, shown: (one) => atText(one.at, zone) },
          { id: 'event', title: 'What', value: (one) => EVENTS[one.event] ?? one.event.replaceAll('_', ' ') },
          {
            id: 'limit',
            title: 'Limit from then on',
            value: limit,
            shown: (one) => {
              const amount = limit(one)
              return amount === null ? (
                <span className="quiet">–</span>
              ) : (
                <Amount unit={budget.unit} amount={amount} />
              )
            },
            number: true,
          },
          { id: 'mode', title: 'Mode', value: (one) => one.mode ?? null, wide: true },
          { id: 'how', title: 'How', value: (one) => howText(one, budget, zone), wide: true },
          { id: 'by', title: 'By', value: (one) => who(one.by), wide: true },
          {
            id: 'entry',
            title: 'Entry',
            value: (one) => one.entry,
            shown: (one) =>
              reads ? (
                <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(one.entry) }}>
                  {grouped(one.entry)}
                </Link>
              ) : (
                grouped(one.entry)
              ),
            number: true,
            wide: true,
          },
        ]}
      />
    </Section>
  )
}

function howText(one: BudgetStep, budget: OneBudget, zone: string): string | null {
  if (one.percents) return percentsText(one.percents)
  if (one.until && one.reason) {
    const extra = amountOf(budget.unit, one, 'extra')
    return `+${budget.unit === 'money' ? money(extra) : grouped(extra)} until ${atText(one.until, zone)}: ${one.reason}`
  }
  return one.note || null
}

export function percentsText(percents: readonly number[]): string {
  return percents.length ? `at ${percents.join(', ')} %` : 'none'
}

export function Thresholds({ budget, close }: { budget: OneBudget; close: () => void }) {
  const { busy, problem, send } = useChange('budgets', 'alerts')
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        putAlertsThresholdsBudgetId({
          path: { budget_id: budget.id },
          body: { percents: text('percents').replaceAll('%', '').replaceAll(' ', '') || 'none' },
          throwOnError: true,
        }) as Promise<{ data: object }>,
      'From now on it tells at these shares.',
      close,
    )
  return (
    <FormDialog title={`When ${nameOf(budget)} tells`} verb="Save" {...{ busy, problem, close, submit }}>
      <Group grow>
        <TextInput
          label="At these shares of its cap"
          description="In percent, with commas between them; empty for no alerts. Who hears of it is set under Alerts."
          name="percents"
          defaultValue={budget.alert_percents.join(', ')}
          placeholder="50, 80, 90, 100"
          maxLength={200}
          data-autofocus
        />
      </Group>
    </FormDialog>
  )
}
