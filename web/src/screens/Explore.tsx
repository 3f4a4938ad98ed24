// The cost explorer: any figure by up to two dimensions and over time, of the calls that the filters leave, beside
// earlier days. The whole question stands in the address.
import { Button, Menu, SegmentedControl, Select, TextInput } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense, useCallback, useMemo } from 'react'
import { getBudgets, getExplore } from '../api/sdk.gen'
import type { Explored } from '../api/types.gen'
import { amountOf as amountOfBudget, nameOf } from '../budgets'
import { entityColour } from '../entity'
import { type Filter, narrowed, titleOf } from '../filters'
import { grouped } from '../money'
import type { Drawn, Line } from '../parts/Course'
import { Figure } from '../parts/Figure'
import { DimensionSelect, Filters } from '../parts/Filters'
import { keysIn, useKeyNames } from '../parts/keynames'
import { Money } from '../parts/Money'
import { byBucket, useMarks } from '../parts/marks'
import { Page, Section } from '../parts/Page'
import { RowsFrom } from '../parts/RowsFrom'
import { Share } from '../parts/Share'
import { Coming, Empty, Fault, NoMatch } from '../parts/states'
import { Unpriced } from '../parts/Unpriced'
import { Views } from '../parts/Views'
import { spanText } from '../parts/when'
import {
  type Days,
  daysOf,
  dayText,
  isHours,
  labelOf,
  type Period,
  periodOf,
  plus,
  rangeOf,
  todayIn,
} from '../range'
import { useZone } from '../session'
import { useShortcuts } from '../shell/shortcuts'
import './explore.css'
import { amountOf, axisText, METRICS, type Metric, pointOf, shown } from './exploremetrics'
import {
  COMPARED,
  type Compare,
  daysBetween,
  type ExploreSearch,
  exploreOf,
  GRAINS,
  type Grain,
  grainOf,
  grainsFor,
  groupsOf,
  KINDS,
  type Kind,
  metricOf,
  requestsOf,
} from './exploresearch'
import { changeText, cost, each, Groups, tokens } from './exploretable'

const Course = lazy(() => import('../parts/Course'))
const Courses = lazy(async () => ({ default: (await import('../parts/Course')).Courses }))
const TOLD = 12
const COLOURED = 8
const CURVES = 5
// As the chart's own words, without its library.
const DRAWN: Record<Drawn, string> = { bars: 'Bars', area: 'Area', lines: 'Lines' }

export default function Explore() {
  const search = useSearch({ from: '/o/$slug/explore' })
  const { slug } = useParams({ from: '/o/$slug/explore' })
  const navigate = useNavigate({ from: '/o/$slug/explore' })
  const { zone, known } = useZone()
  const set = useCallback(
    (more: Partial<ExploreSearch>) =>
      navigate({ search: (before: ExploreSearch) => exploreOf({ ...before, ...more }) }),
    [navigate],
  )
  const days = daysOf(search, todayIn(zone))
  const period = periodOf(search, todayIn(zone))
  const metric = metricOf(search)
  const groups = groupsOf(search)
  const filters = search.filters ?? []
  const grain = grainOf(search, days)
  const asked = {
    ...period,
    group: groups,
    kind: search.kind ?? 'calls',
    ...(filters.length ? { filters: JSON.stringify(filters) } : {}),
  } as const
  const question = {
    ...asked,
    metric,
    grain,
    compare: search.compare ?? 'none',
    ...(search.against ? { compare_start: search.against } : {}),
    top: TOLD,
  } as const
  const { data, error, refetch } = useQuery({
    queryKey: ['explore', question],
    queryFn: async () => (await getExplore({ query: question, throwOnError: true })).data,
    enabled: known,
  })
  const nameOfKey = useKeyNames([...keysTold(data), ...keysIn(filters)])
  const pick = (names: (string | null)[], not: boolean) =>
    set({ filters: clicked(filters, groups, names, not) })

  useShortcuts(
    useMemo(
      () => ({
        t: () => set({ table: search.table ? undefined : true }),
        c: () => set({ compare: search.compare ? undefined : 'previous' }),
      }),
      [search.table, search.compare, set],
    ),
  )

  const body = () => {
    if (error) return <Fault problem={error} retry={refetch} />
    if (!data) return <Coming rows={10} />
    if (data.total.attempts === 0 && data.total.requests === 0)
      return <Nothing filtered={filters.length > 0} slug={slug} clear={() => set({ filters: undefined })} />
    return <Answer {...{ data, metric, search, slug, grain, days, nameOfKey, pick, set }} />
  }
  return (
    <Page
      title="Explore"
      question="Where did the money go?"
      actions={
        <>
          <Views screen="explore" />
          <Share path="/api/explore" asked={question} />
          <Files asked={asked} grain={grain} none={!data} />
        </>
      }
    >
      <RowsFrom start={days.start} sums />
      <Question {...{ search, metric, grain, days, set }} />
      <div className="chips">
        <Filters
          filters={filters}
          set={(more) => set({ filters: more })}
          nameOfKey={nameOfKey}
          days={period}
        />
      </div>
      {body()}
    </Page>
  )
}

function Question({
  search,
  metric,
  grain,
  days,
  set,
}: {
  search: ExploreSearch
  metric: Metric
  grain: Grain
  days: Days
  set: (more: Partial<ExploreSearch>) => void
}) {
  const [group = 'none', and = 'none'] = groupsOf(search)
  return (
    <div className="ask">
      <Choice
        label="Figure"
        words={Object.fromEntries(Object.entries(METRICS).map(([name, { title }]) => [name, title]))}
        value={metric}
        set={(one) => set({ metric: one as Metric })}
      />
      <DimensionSelect
        label="By"
        none="Nothing"
        value={group}
        set={(one) => set({ group: one, and: one === 'none' || one === and ? undefined : search.and })}
      />
      {group !== 'none' && (
        <DimensionSelect
          label="And by"
          none="Nothing else"
          without={group}
          value={and}
          set={(one) => set({ and: one === 'none' ? undefined : one })}
        />
      )}
      <Choice
        label="Each"
        words={Object.fromEntries(grainsFor(days).map((one) => [one, GRAINS[one]]))}
        value={grain}
        set={(one) => set({ grain: one === grainOf(rangeOf(search), days) ? undefined : (one as Grain) })}
      />
      <Choice
        label="Compared with"
        words={isHours(search) ? { ...COMPARED, previous: 'The 24 hours before' } : COMPARED}
        value={search.compare ?? 'none'}
        set={(one) =>
          set({ compare: one as Compare, against: one === 'custom' ? plus(days.start, -364) : undefined })
        }
      />
      {search.against && (
        <TextInput
          size="xs"
          type="date"
          label="From the day"
          value={search.against}
          onChange={(event) => event.currentTarget.value && set({ against: event.currentTarget.value })}
        />
      )}
      <Choice
        label="Of"
        words={KINDS}
        value={search.kind ?? 'calls'}
        set={(one) => set({ kind: one as Kind, metric: undefined })}
      />
    </div>
  )
}

function Choice({
  label,
  words,
  value,
  set,
}: {
  label: string
  words: Record<string, string>
  value: string
  set: (value: string) => void
}) {
  return (
    <Select
      size="xs"
      label={label}
      data={Object.entries(words).map(([name, title]) => ({ value: name, label: title }))}
      value={value}
      onChange={(one) => one && set(one)}
      allowDeselect={false}
    />
  )
}

function Answer({
  data,
  metric,
  search,
  slug,
  grain,
  days,
  nameOfKey,
  pick,
  set,
}: {
  data: Explored
  metric: Metric
  search: ExploreSearch
  slug: string
  grain: Grain
  days: Days
  nameOfKey: (id: string) => string
  pick: (names: (string | null)[], not: boolean) => void
  set: (more: Partial<ExploreSearch>) => void
}) {
  const said = (dimension: string, name: string | null) =>
    name === null ? `No ${titleOf(dimension).toLowerCase()}` : dimension === 'key' ? nameOfKey(name) : name
  const stacked = METRICS[metric].adds && !data.overlapping
  const lines = linesOf(data, metric, stacked, said)
  const colours = new Map(lines.map((line) => [JSON.stringify(line.names), line.colour]))
  const course = {
    caption: `${METRICS[metric].title} over time`,
    buckets: data.buckets,
    bucketText: (bucket: string) => bucketText(bucket, grain, days),
    lines,
    shown: (amount: bigint | null) => shown(amount, metric),
    before:
      data.before && data.before_range
        ? {
            name: spanText(data.before_range, data.zone),
            values: data.buckets.map((_, place) => pointOf(data.before?.values[place] ?? null, metric)),
          }
        : undefined,
  }
  const limit = useLimit(search, metric, grain)
  const marks = byBucket(useMarks(days, data.zone, grain !== 'hour'), data.buckets)
  const today = todayIn(data.zone)
  const by = data.group.map((one) => titleOf(one).toLowerCase()).join(' and ')
  return (
    <>
      <Figures {...{ data, metric, search, slug }} />
      {!search.kind && (
        <Unpriced
          days={periodOf(search, today)}
          range={rangeOf(search)}
          filters={search.filters ?? []}
          slug={slug}
        />
      )}
      <Section
        title={`${METRICS[metric].title}${by && ` by ${by}`}`}
        end={
          <SegmentedControl
            size="xs"
            aria-label="Chart or table"
            data={[
              ...(stacked
                ? Object.entries(DRAWN).map(([value, label]) => ({ value, label }))
                : [{ value: 'bars', label: 'Chart' }]),
              { value: 'table', label: 'Table' },
            ]}
            value={search.table ? 'table' : stacked ? (search.drawn ?? 'bars') : 'bars'}
            onChange={(one) =>
              set({
                table: one === 'table' ? true : undefined,
                drawn: one === 'table' ? search.drawn : (one as Drawn),
              })
            }
          />
        }
      >
        <Suspense fallback={<div className="chart" />}>
          {search.table ? (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse
            <section className="course-table" aria-label={course.caption} tabIndex={0}>
              <Courses {...course} />
            </section>
          ) : (
            <Course
              {...course}
              axis={(amount) => axisText(amount, metric)}
              stacked={stacked}
              drawn={search.drawn ?? 'bars'}
              limit={limit}
              marks={marks}
              ahead={data.buckets.find((bucket) => bucket.slice(0, 10) > today)}
              zoom={(from, to) =>
                set({ range: undefined, grain: undefined, ...daysBetween(from, to, grain) })
              }
              whole={stacked && lines.length > 1}
              // A pair of names can be asked for, but not be left out: that would leave out all of either.
              excludes={data.group.length === 1}
              pick={pick}
            />
          )}
        </Suspense>
      </Section>
      {data.group.length > 0 && (
        <Section
          title={by.charAt(0).toUpperCase() + by.slice(1)}
          end={
            data.overlapping
              ? 'A call with several tags is counted under each.'
              : data.groups > data.series.length
                ? `${data.series.length} of ${grouped(data.groups)}`
                : undefined
          }
        >
          <Groups
            {...{ explored: data, metric, search, slug, said, pick }}
            onSort={(sort) => set({ sort })}
            dot={(names) =>
              colours.get(JSON.stringify(names)) ?? (stacked ? 'var(--entity-rest)' : 'transparent')
            }
          />
        </Section>
      )}
    </>
  )
}

/** A budget's line, where all that is shown is one budget's and a bar is as long as its window. */
function useLimit(search: ExploreSearch, metric: Metric, grain: Grain) {
  const [only, ...more] = search.filters ?? []
  const one = !more.length && (!only || (only.test === 'is' && only.values.length === 1))
  const { data } = useQuery({
    queryKey: ['budgets', 'health'],
    queryFn: async () => (await getBudgets({ query: { limit: 200 }, throwOnError: true })).data.items,
    enabled: one && metric === 'cost' && !search.kind,
  })
  if (!one || metric !== 'cost' || search.kind) return undefined
  const found = data?.find(
    (budget) =>
      budget.unit === 'money' &&
      budget.window === grain &&
      (only ? budget.scope === only.dimension && budget.value === only.values[0] : budget.scope === 'org'),
  )
  return found && { name: `budget ${nameOf(found)}`, amount: amountOfBudget('money', found, 'limit') }
}

function Figures({
  data,
  metric,
  search,
  slug,
}: {
  data: Explored
  metric: Metric
  search: ExploreSearch
  slug: string
}) {
  const { total, before_range: earlier } = data
  const compared = earlier
    ? `${changeText(data, metric)} against ${spanText(earlier, data.zone)}`
    : isHours(search)
      ? spanText(data.range, data.zone)
      : labelOf(search)
  const toCalls = (shown: ReactNode) => (
    <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={requestsOf(search)}>
      {shown}
    </Link>
  )
  return (
    <div className="figures">
      <Figure label={METRICS[metric].title} note={compared}>
        {METRICS[metric].unit === 'money'
          ? toCalls(<Money nanos={amountOf(total, metric) ?? 0n} />)
          : shown(amountOf(total, metric), metric)}
      </Figure>
      {metric !== 'cost' && (
        <Figure label="Cost" note={each(total)}>
          {toCalls(<Money nanos={cost(total)} />)}
        </Figure>
      )}
      {metric !== 'requests' && (
        <Figure label="Requests" note={metric === 'cost' ? each(total) : ''}>
          {toCalls(grouped(total.requests))}
        </Figure>
      )}
      {metric !== 'tokens' && (
        <Figure
          label="Tokens"
          note={`${grouped(total.input_tokens)} in, ${grouped(total.output_tokens)} out`}
        >
          {grouped(tokens(total))}
        </Figure>
      )}
    </div>
  )
}

function Nothing({ filtered, slug, clear }: { filtered: boolean; slug: string; clear: () => void }) {
  return filtered ? (
    <NoMatch
      what="calls"
      clear={clear}
      note="Within these days there is none like that. A wider range is chosen top right."
    />
  ) : (
    <Empty
      title="No calls in these days"
      action={
        <Link to="/o/$slug/keys" params={{ slug }} search={{ new: true }}>
          Create a key
        </Link>
      }
    >
      A call stands here a second after it ended. With a new key come the lines that make a first one; they
      need no provider’s account.
    </Empty>
  )
}

/** Files of every group, not of those alone that are told one by one. */
function Files({
  asked,
  grain,
  none,
}: {
  asked: Period & { group: readonly string[]; kind: string; filters?: string }
  grain: Grain
  none: boolean
}) {
  const address = (more: Record<string, string>) => {
    const { group, ...rest } = asked
    const query = new URLSearchParams({ ...rest, ...more })
    for (const one of group) query.append('group', one)
    return `/api/explore/rows.csv?${query}`
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} />} disabled={none}>
          CSV
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={address({})} download>
          Every group
        </Menu.Item>
        <Menu.Item component="a" href={address({ grain })} download>
          Every group and {GRAINS[grain].toLowerCase()}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** The first groups in a colour of their own, all others as one; of figures that do not add up only the first few. */
function linesOf(
  data: Explored,
  metric: Metric,
  stacked: boolean,
  said: (dimension: string, name: string | null) => string,
): Line[] {
  const points = (values: readonly (number | null)[]) => values.map((value) => pointOf(value, metric))
  if (!data.group.length)
    return [
      {
        id: 'all',
        name: METRICS[metric].title,
        colour: 'var(--entity-1)',
        names: [],
        values: points(data.total.values),
      },
    ]
  const told = data.series.slice(0, stacked ? COLOURED : CURVES)
  const lines: Line[] = told.map((one, place) => ({
    id: `s${place}`,
    name: one.names.map((name, at) => said(data.group[at] as string, name)).join(' · '),
    colour: one.names.every((name) => name === null)
      ? 'var(--bar)'
      : entityColour(data.group.join(), one.names.map((name) => name ?? '').join('\n')),
    names: one.names,
    values: points(one.values),
  }))
  const rest = [...data.series.slice(told.length), ...(data.other ? [data.other] : [])]
  if (stacked && rest.length)
    lines.push({
      id: 'other',
      name: 'All others',
      colour: 'var(--entity-rest)',
      names: null,
      values: data.buckets.map((_, place) =>
        rest.reduce((sum, one) => sum + (pointOf(one.values[place] ?? null, metric) ?? 0n), 0n),
      ),
    })
  return lines
}

/** What a click narrows down to; the place of a dimension that was not clicked on is empty. */
function clicked(
  filters: readonly Filter[],
  groups: readonly string[],
  names: readonly (string | null)[],
  not: boolean,
): Filter[] {
  const said = groups.flatMap((_, place) => (names[place] === undefined ? [] : [place]))
  return narrowed(
    filters,
    said.map((place) => groups[place] as string),
    said.map((place) => names[place] ?? null),
    not,
  )
}

function keysTold(data: Explored | undefined): string[] {
  const place = data?.group.indexOf('key') ?? -1
  const told = place < 0 ? [] : (data?.series.map((one) => one.names[place]) ?? [])
  return told.filter((id) => typeof id === 'string')
}

function bucketText(bucket: string, grain: Grain, days: Days): string {
  if (grain === 'hour') {
    const hour = bucket.slice(11, 16)
    return days.start === days.end ? hour : `${dayText(bucket.slice(0, 10))} ${hour}`
  }
  if (grain === 'month')
    return new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' }).format(
      new Date(`${bucket}T00:00:00Z`),
    )
  return dayText(bucket)
}
