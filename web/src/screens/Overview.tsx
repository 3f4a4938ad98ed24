// One glance: what these days cost, compared with as many before, and where it went.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { getExplore, getMetricsOverview } from '../api/sdk.gen'
import { entityColour } from '../entity'
import { FAILED } from '../filters'
import { grouped, money, nanosOf, percent } from '../money'
import { BudgetHealth, OpenAlerts } from '../parts/BudgetHealth'
import { Dearest } from '../parts/Dearest'
import { Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { Unpriced } from '../parts/Unpriced'
import { VersionsDialog } from '../parts/Versions'
import { spanText } from '../parts/when'
import { daysOf, isHours, labelOf, type Period, periodOf, type RangeSearch, rangeOf, todayIn } from '../range'
import { may, useSession, useZone } from '../session'
import type { FilterName } from './callsearch'
import type { OverviewSearch } from './promptsearch'

const Trend = lazy(() => import('../parts/Trend'))
const TOLD = 4

type Split = { group: string; title: string; filter: FilterName | null; none: string }
const SPLITS: Split[] = [
  { group: 'team', title: 'Teams', filter: 'team', none: 'No team' },
  { group: 'model', title: 'Models', filter: 'served_model', none: 'Unknown model' },
  { group: 'project', title: 'Projects', filter: 'project', none: 'No project' },
  { group: 'user', title: 'Users', filter: 'user', none: 'Nobody named' },
  { group: 'prompt_key', title: 'Prompts', filter: 'prompt_key', none: 'No prompt named' },
  { group: 'key', title: 'Keys', filter: 'key', none: 'No key' },
]
// Asked for only where somebody wants them: a first glance is six lists.
const MORE: Split[] = [
  { group: 'agent', title: 'Agents', filter: 'agent', none: 'No agent named' },
  { group: 'environment', title: 'Environments', filter: 'environment', none: 'None named' },
  { group: 'cost_center', title: 'Cost centres', filter: 'cost_center', none: 'None named' },
  { group: 'provider', title: 'Providers', filter: 'provider', none: 'Unknown provider' },
  { group: 'tag', title: 'Tags', filter: null, none: 'No tag' },
]

export default function Overview() {
  const search = useSearch({ from: '/o/$slug/overview' })
  const { slug } = useParams({ from: '/o/$slug/overview' })
  const navigate = useNavigate({ from: '/o/$slug/overview' })
  const { zone, known } = useZone()
  const days = daysOf(search, todayIn(zone))
  const hours = isHours(search)
  const period = periodOf(search, todayIn(zone))
  const spend = useQuery({
    queryKey: ['explore', 'model', period],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...period,
            group: ['model'],
            grain: hours || days.start === days.end ? 'hour' : 'day',
            top: TOLD,
            compare: 'previous',
          },
          throwOnError: true,
        })
      ).data,
    enabled: known,
  })
  const now = useQuery({
    queryKey: ['overview'],
    queryFn: async () => (await getMetricsOverview({ throwOnError: true })).data,
    refetchInterval: 30_000,
  })

  const body = () => {
    if (spend.error || now.error) {
      return (
        <Fault
          problem={spend.error ?? now.error}
          retry={() => Promise.all([spend.refetch(), now.refetch()])}
        />
      )
    }
    if (!spend.data || !now.data) return <Coming rows={10} />
    if (
      spend.data.total.requests === 0 &&
      now.data.month_to_date.requests === 0 &&
      !search.range &&
      !search.from
    )
      return <First slug={slug} />
    const { total, before } = spend.data
    return (
      <>
        <OpenAlerts slug={slug} />
        <div className="figures">
          <Figure
            label={labelOf(search)}
            note={<Change now={total.cost_nanos} before={before?.cost_nanos} range={search} />}
          >
            <Link
              className="plain"
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ ...rangeOf(search), kind: 'calls' }}
            >
              <Money nanos={total.cost_nanos} />
            </Link>
          </Figure>
          <Figure label="Requests" note={each(total.cost_nanos, total.requests)}>
            <Link
              className="plain"
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ ...rangeOf(search), kind: 'calls' }}
            >
              {grouped(total.requests)}
            </Link>
          </Figure>
          <Figure
            label="Today"
            note={`${grouped(now.data.today.requests)} requests${changed(now.data.today.requests_change_pct)}`}
          >
            <Link
              className="plain"
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ range: 'today', kind: 'calls' }}
            >
              <Money nanos={now.data.today.cost_nanos} />
            </Link>
          </Figure>
          <Figure label="This month" note={burnText(now.data.month_to_date.burn_per_day_nanos)}>
            <Link
              className="plain"
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ range: 'mtd', kind: 'calls' }}
            >
              <Money nanos={now.data.month_to_date.cost_nanos} />
            </Link>
          </Figure>
          <Figure
            label="Failed today"
            note={
              <>
                <Link to="/o/$slug/requests" params={{ slug }} search={{ range: 'today', kind: 'refused' }}>
                  {grouped(now.data.today.blocked)} refused
                </Link>
                {now.data.today.average_latency_ms !== null &&
                  `, ${grouped(now.data.today.average_latency_ms)} ms on average`}
              </>
            }
          >
            <Link
              className="plain"
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ range: 'today', kind: 'calls', filters: [FAILED] }}
            >
              {grouped(now.data.today.errors)}
            </Link>
          </Figure>
        </div>
        <Unpriced days={period} range={rangeOf(search)} slug={slug} />
        <Section
          title="Spend by model"
          end={hours ? spanText(spend.data.range, zone) : `days of ${spend.data.zone}`}
        >
          {total.requests === 0 ? (
            <Empty title={`Nothing was called in these ${hours ? 'hours' : 'days'}`}>
              Another range is chosen top right.
            </Empty>
          ) : (
            <Suspense fallback={<div className="chart" />}>
              <Trend explored={spend.data} slug={slug} range={rangeOf(search)} />
            </Suspense>
          )}
        </Section>
        <BudgetHealth zone={zone} slug={slug} />
        <div className="two">
          {[...SPLITS, ...(search.more ? MORE : [])].map((split) => (
            <Ranking key={split.group} split={split} period={period} slug={slug} search={search} />
          ))}
        </div>
        {total.requests > 0 && (
          <Button
            variant="default"
            mt="xl"
            h="auto"
            mih={36}
            py={6}
            className="told"
            aria-expanded={search.more ?? false}
            onClick={() =>
              navigate({
                search: ({ more, ...before }: OverviewSearch) => (more ? before : { ...before, more: true }),
              })
            }
          >
            {search.more ? 'Fewer lists' : 'More lists'}
          </Button>
        )}
      </>
    )
  }
  return (
    <Page title="Overview" question="What are we spending, and where does it go?">
      {body()}
      {search.prompt !== undefined && (
        <VersionsDialog
          promptKey={search.prompt}
          days={days}
          slug={slug}
          range={rangeOf(search)}
          close={() => navigate({ search: ({ prompt: _, ...before }: OverviewSearch) => before })}
        />
      )}
    </Page>
  )
}

/** A dimension's dearest names: a prompt leads to its versions, anything else to its calls. */
function Ranking({
  split,
  period,
  slug,
  search,
}: {
  split: Split
  period: Period
  slug: string
  search: RangeSearch & { more?: true }
}) {
  const range = rangeOf(search)
  return (
    <Dearest
      title={split.title}
      group={split.group}
      days={period}
      none={split.none}
      unit="requests"
      // The models' colours are the chart's; elsewhere one ink is enough.
      colour={split.group === 'model' ? (name) => entityColour('model', name) : undefined}
      tips
      all={(what) => (
        <Link to="/o/$slug/explore" params={{ slug }} search={{ ...range, group: split.group }}>
          {what}
        </Link>
      )}
      link={(name, said) =>
        // A prompt's versions are told by days.
        split.group === 'prompt_key' && !isHours(search) ? (
          <Link to="/o/$slug/overview" params={{ slug }} search={{ ...search, prompt: name }}>
            {said}
          </Link>
        ) : (
          <Link
            to="/o/$slug/requests"
            params={{ slug }}
            search={{
              ...range,
              kind: 'calls',
              ...(split.filter
                ? { [split.filter]: name }
                : { filters: [{ dimension: split.group, test: 'is', values: [name] }] }),
            }}
          >
            {said}
          </Link>
        )
      }
    />
  )
}

function First({ slug }: { slug: string }) {
  const navigate = useNavigate()
  const makes = may(useSession(), 'owner', 'admin', 'manager', 'member')
  return (
    <Empty
      title="Nothing was called yet"
      action={
        makes && (
          <Button onClick={() => navigate({ to: '/o/$slug/welcome', params: { slug } })}>
            Make a first call
          </Button>
        )
      }
    >
      A key, a first prompt and its cost take two minutes, and need no provider’s account. A second after a
      call its cost stands here.
    </Empty>
  )
}

function Change({ now, before, range }: { now: string; before: string | undefined; range: RangeSearch }) {
  const earlier = isHours(range) ? 'the 24 hours before' : 'the days before'
  if (before === undefined || nanosOf(before) === 0n) return <>nothing in {earlier}</>
  const more = nanosOf(now) - nanosOf(before)
  if (more === 0n) return <>as much as in {earlier}</>
  const share = percent(more < 0n ? -more : more, before)
  return (
    <>
      {money(more < 0n ? -more : more)} {more > 0n ? 'more' : 'less'} ({more > 0n ? '+' : '−'}
      {share}) than {range.range === 'today' ? 'yesterday' : earlier}
    </>
  )
}

const each = (cost: string, requests: number) =>
  requests ? `${money(nanosOf(cost) / BigInt(requests))} each` : ''
const changed = (pct: number | null) =>
  pct === null ? '' : `, ${pct > 0 ? '+' : pct < 0 ? '−' : ''}${Math.abs(pct)} % to yesterday`

/** What a day and a week come to, at the mean of this month's days. */
function burnText(perDay: string): string {
  return `${money(perDay)} a day, ${money(7n * nanosOf(perDay))} a week`
}
