// What the address of the cost explorer says: which figure, by what, of which calls, against which earlier days. What is
// the default is left out of it, so an address is as short as what somebody asked for.
import { type Filter, filtersIn, isDimension, isOne, narrowed } from '../filters'
import type { Drawn } from '../parts/Course'
import { type ColumnsSearch, columnsOf } from '../parts/layout'
import { type Days, everyDay, isDay, isHours, plus, type RangeSearch, rangeOf } from '../range'
import { sortOf } from '../search'
import { type CallSearch, filteredBy, filtersOf } from './callsearch'
import { isMetric, type Metric } from './exploremetrics'

export const KINDS = { calls: 'Calls', refused: 'Refused', sandbox: 'Sandbox' } as const
export type Kind = keyof typeof KINDS
const METRIC_OF: Record<Kind, Metric> = { calls: 'cost', refused: 'requests', sandbox: 'would_be' }

export const GRAINS = { hour: 'Hour', day: 'Day', week: 'Week', month: 'Month' } as const
export type Grain = keyof typeof GRAINS
const POINTS_MAX = 400
const DAYS_OF: Record<Grain, number> = { hour: 1 / 24, day: 1, week: 7, month: 28 }

export const COMPARED = {
  none: 'No comparison',
  previous: 'The days before',
  month: 'A month earlier',
  year: 'A year earlier',
  custom: 'Days from …',
} as const
export type Compare = keyof typeof COMPARED

/** `group`: the first dimension ("none" for the whole), `and`: a second one. */
export type ExploreSearch = RangeSearch &
  ColumnsSearch & {
    kind?: Kind
    metric?: Metric
    group?: string
    and?: string
    filters?: Filter[]
    grain?: Grain
    compare?: Compare
    /** The first of the days compared with, where those are somebody's own. */
    against?: string
    drawn?: Drawn
    table?: true
    sort?: string | undefined
  }

const GROUP = 'team'

export function exploreOf(search: Record<string, unknown>): ExploreSearch {
  const found: ExploreSearch = rangeOf(search)
  const { kind, metric, group, and, filters, grain, compare, against, drawn, table } = search
  if (isOne(KINDS, kind) && kind !== 'calls') found.kind = kind
  if (isMetric(metric) && metric !== METRIC_OF[found.kind ?? 'calls']) found.metric = metric
  if ((isDimension(group) || group === 'none') && group !== GROUP) found.group = group
  if (isDimension(and) && found.group !== 'none' && and !== (found.group ?? GROUP)) found.and = and
  const kept = filtersIn(filters)
  if (kept.length) found.filters = kept
  if (isOne(GRAINS, grain)) found.grain = grain
  if (isOne(COMPARED, compare) && compare !== 'none') found.compare = compare
  if (found.compare === 'custom') {
    if (isDay(against)) found.against = against
    else delete found.compare
  }
  if (drawn === 'area' || drawn === 'lines') found.drawn = drawn
  if (table === true) found.table = true
  return { ...found, ...sortOf(search), ...columnsOf(search) }
}

export function metricOf({ kind, metric }: ExploreSearch): Metric {
  return metric ?? METRIC_OF[kind ?? 'calls']
}

export function groupsOf({ group, and }: ExploreSearch): string[] {
  return group === 'none' ? [] : [group ?? GROUP, ...(and ? [and] : [])]
}

/** The grains of which these days are not more points than an answer holds. */
export function grainsFor(days: Days): Grain[] {
  // Whoever asks for more days than are counted here gets months.
  const count = plus(days.start, 399) < days.end ? 11_200 : everyDay(days).length
  return (Object.keys(GRAINS) as Grain[]).filter(
    (grain) => grain === 'month' || count / DAYS_OF[grain] <= POINTS_MAX - 2,
  )
}

/** The one that was asked for where it fits, else what suits so many days. */
export function grainOf({ grain, range }: ExploreSearch, days: Days): Grain {
  const fitting = grainsFor(days)
  if (grain && fitting.includes(grain)) return grain
  const wanted =
    days.start === days.end || isHours({ range }) ? 'hour' : plus(days.start, 92) >= days.end ? 'day' : 'week'
  return fitting.includes(wanted) ? wanted : 'month'
}

/** The list of requests behind a sum: the same calls, to the last of them. */
export function requestsOf(search: ExploreSearch, names: readonly (string | null)[] = []): CallSearch {
  const filters = narrowed(search.filters ?? [], names.length ? groupsOf(search) : [], names)
  return filteredBy({ ...rangeOf(search), kind: search.kind ?? 'calls' }, filters)
}

/** The way back: the explorer over the same calls. */
export function exploreOfCalls(search: CallSearch): ExploreSearch {
  return exploreOf({ ...rangeOf(search), kind: search.kind, filters: filtersOf(search) })
}

/** The days of the buckets from one to another, as a chart was dragged over them. */
export function daysBetween(from: string, to: string, grain: Grain): { from: string; to: string } {
  const last = to.slice(0, 10)
  const end =
    grain === 'week' ? plus(last, 6) : grain === 'month' ? plus(`${plus(last, 31).slice(0, 8)}01`, -1) : last
  return { from: from.slice(0, 10), to: end }
}
