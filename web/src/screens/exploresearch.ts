// What the address of the cost explorer says: which figure, by what, of which calls, against which earlier days. What is
// the default is left out of it, so an address is as short as what somebody asked for.
import { type Days, everyDay, plus, type RangeSearch, rangeOf } from '../range'
import { type CallSearch, chosen, FILTERS, type FilterName } from './callsearch'
import { isMetric, type Metric } from './exploremetrics'

export const DIMENSIONS = {
  team: 'Team',
  project: 'Project',
  user: 'User',
  key: 'Key',
  agent: 'Agent',
  environment: 'Environment',
  cost_center: 'Cost centre',
  provider: 'Provider',
  model: 'Model',
  prompt_key: 'Prompt',
  prompt_version: 'Prompt version',
  tag: 'Tag',
  outcome: 'Outcome',
} as const
export const CUSTOM = 'dimension.'
export const FILTERS_MAX = 12

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
} as const
export type Compare = keyof typeof COMPARED

export const TESTS = { is: 'is', is_not: 'is not', contains: 'contains' } as const
export type Test = keyof typeof TESTS
/** As the API has it: null among the values stands for calls that name nothing there. */
export type Filter = { dimension: string; test: Test; values: (string | null)[] }

/** `group`: the first dimension ("none" for the whole), `and`: a second one. */
export type ExploreSearch = RangeSearch & {
  kind?: Kind
  metric?: Metric
  group?: string
  and?: string
  filters?: Filter[]
  grain?: Grain
  compare?: Compare
  table?: true
  sort?: string | undefined
}

const GROUP = 'team'

export function exploreOf(search: Record<string, unknown>): ExploreSearch {
  const found: ExploreSearch = rangeOf(search)
  const { kind, metric, group, and, filters, grain, compare, table, sort } = search
  if (isOne(KINDS, kind) && kind !== 'calls') found.kind = kind
  if (isMetric(metric) && metric !== METRIC_OF[found.kind ?? 'calls']) found.metric = metric
  if ((isDimension(group) || group === 'none') && group !== GROUP) found.group = group
  if (isDimension(and) && found.group !== 'none' && and !== (found.group ?? GROUP)) found.and = and
  const kept = Array.isArray(filters) ? filters.filter(isFilter).slice(0, FILTERS_MAX) : []
  if (kept.length) found.filters = kept.map(({ dimension, test, values }) => ({ dimension, test, values }))
  if (isOne(GRAINS, grain)) found.grain = grain
  if (isOne(COMPARED, compare) && compare !== 'none') found.compare = compare
  if (table === true) found.table = true
  if (typeof sort === 'string' && /^-?\S{1,80}$/.test(sort)) found.sort = sort
  return found
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
export function grainOf({ grain }: ExploreSearch, days: Days): Grain {
  const fitting = grainsFor(days)
  if (grain && fitting.includes(grain)) return grain
  const wanted = days.start === days.end ? 'hour' : plus(days.start, 92) >= days.end ? 'day' : 'week'
  return fitting.includes(wanted) ? wanted : 'month'
}

export function titleOf(dimension: string): string {
  return isOne(DIMENSIONS, dimension) ? DIMENSIONS[dimension] : dimension.slice(CUSTOM.length)
}

/** A filter more. One value more of the same kind widens or tightens the filter that is there, as one would say it. */
export function added(filters: readonly Filter[], more: Filter): Filter[] {
  const place = filters.findIndex((one) => one.dimension === more.dimension && one.test === more.test)
  const there = filters[place]
  if (!there) return [...filters, more].slice(0, FILTERS_MAX)
  const values = [...new Set([...there.values, ...more.values])]
  return filters.map((one, at) => (at === place ? { ...one, values } : one))
}

/** Only what is named so there, or with `not` all but that. */
export function narrowed(
  filters: readonly Filter[],
  groups: readonly string[],
  names: readonly (string | null)[],
  not = false,
): Filter[] {
  return groups.reduce<Filter[]>(
    (found, dimension, place) => {
      const more: Filter = { dimension, test: not ? 'is_not' : 'is', values: [names[place] ?? null] }
      if (not) return added(found, more)
      // What was clicked on is one of the values there; of tags a call may have several, and all of them hold.
      const rest =
        dimension === 'tag' ? found : found.filter((one) => one.dimension !== dimension || one.test !== 'is')
      return [...rest, more].slice(0, FILTERS_MAX)
    },
    [...filters],
  )
}

/** The list of requests of the same calls, and what of the question that list cannot be asked. */
export function requestsOf(
  search: ExploreSearch,
  names: readonly (string | null)[] = [],
): { search: CallSearch; left: Filter[] } {
  const found: CallSearch = { ...rangeOf(search), kind: search.kind ?? 'calls' }
  const left: Filter[] = []
  for (const one of narrowed(search.filters ?? [], names.length ? groupsOf(search) : [], names)) {
    const name = one.dimension === 'model' ? 'served_model' : one.dimension
    const [value] = one.values
    if (
      one.test === 'is' &&
      one.values.length === 1 &&
      typeof value === 'string' &&
      Object.hasOwn(FILTERS, name)
    )
      found[name as FilterName] = value
    else left.push(one)
  }
  return { search: found, left }
}

/** The way back: the explorer over the same calls; null where it cannot be asked the same. */
export function exploreOfCalls(search: CallSearch): ExploreSearch | null {
  const names = chosen(search)
  if (!names.every((name) => Object.hasOwn(DIMENSIONS, name))) return null
  const filters = names.map(
    (name): Filter => ({ dimension: name, test: 'is', values: [search[name] as string] }),
  )
  return exploreOf({ ...search, sort: undefined, filters })
}

/** "Team is HR, ML", "User is empty". */
export function filterText({ dimension, test, values }: Filter, said = (value: string) => value): string {
  return `${titleOf(dimension)} ${testText(test, values)} ${valuesText(values, said)}`.trim()
}

export function testText(test: Test, values: readonly (string | null)[]): string {
  return values.length === 1 && values[0] === null ? `${TESTS[test]} empty` : TESTS[test]
}

export function valuesText(values: readonly (string | null)[], said = (value: string) => value): string {
  if (values.length === 1 && values[0] === null) return ''
  return values.map((value) => (value === null ? 'empty' : said(value))).join(', ')
}

function isOne<Words extends object>(words: Words, value: unknown): value is keyof Words & string {
  return typeof value === 'string' && Object.hasOwn(words, value)
}

export function isDimension(value: unknown): value is string {
  return (
    isOne(DIMENSIONS, value) ||
    (typeof value === 'string' &&
      value.startsWith(CUSTOM) &&
      value.length > CUSTOM.length &&
      value.length <= 80)
  )
}

function isFilter(value: unknown): value is Filter {
  if (typeof value !== 'object' || value === null) return false
  const { dimension, test, values } = value as Record<string, unknown>
  return (
    isDimension(dimension) &&
    isOne(TESTS, test) &&
    Array.isArray(values) &&
    values.length > 0 &&
    values.length <= 100 &&
    values.every((one) => (one === null ? test !== 'contains' : typeof one === 'string' && one !== ''))
  )
}
