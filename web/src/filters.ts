// Which calls: filters as every screen has them and as the API takes them, so that a sum and the rows behind it are found by
// the same words.

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
  requested_model: 'Model asked for',
  prompt_key: 'Prompt',
  prompt_version: 'Prompt version',
  tag: 'Tag',
  session: 'Session',
  operation: 'Operation',
  outcome: 'Outcome',
  method: 'Cost by',
  code: 'Code',
} as const
export const CUSTOM = 'dimension.'
export const FILTERS_MAX = 12
const VALUES_MAX = 100

export const TESTS = { is: 'is', is_not: 'is not', contains: 'contains' } as const
export type Test = keyof typeof TESTS
/** As the API has it: null among the values stands for calls that name nothing there. */
export type Filter = { dimension: string; test: Test; values: (string | null)[] }

/** The calls that count as errors, as the roll-ups count them. */
export const FAILED: Filter = { dimension: 'outcome', test: 'is', values: ['failed', 'cut', 'unreached'] }

export function titleOf(dimension: string): string {
  return isOne(DIMENSIONS, dimension) ? DIMENSIONS[dimension] : dimension.slice(CUSTOM.length)
}

/** Those of an address that are filters, and no more of them than the API takes. */
export function filtersIn(said: unknown): Filter[] {
  const kept = Array.isArray(said) ? said.filter(isFilter).slice(0, FILTERS_MAX) : []
  return kept.map(({ dimension, test, values }) => ({ dimension, test, values }))
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

export function isOne<Words extends object>(words: Words, value: unknown): value is keyof Words & string {
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
    values.length <= VALUES_MAX &&
    values.every((one) => (one === null ? test !== 'contains' : typeof one === 'string' && one !== ''))
  )
}
