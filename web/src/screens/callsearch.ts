// What the address of the list of calls says: which days, which calls, which of them first. A filter by one name is written
// short (`team=search`); any other stands among `filters`, as in the cost explorer's address.
import { type Filter, filtersIn } from '../filters'
import { type RangeSearch, rangeOf } from '../range'
import { sortOf } from '../search'

/** Filters with a short way to write them, each with the dimension it is by. */
export const FILTERS = {
  team: 'team',
  project: 'project',
  user: 'user',
  agent: 'agent',
  session: 'session',
  environment: 'environment',
  cost_center: 'cost_center',
  key: 'key',
  provider: 'provider',
  requested_model: 'requested_model',
  served_model: 'model',
  prompt_key: 'prompt_key',
  code: 'code',
} as const

export type FilterName = keyof typeof FILTERS
export type Kind = 'all' | 'calls' | 'refused' | 'sandbox'
export const KINDS: Record<Kind, string> = {
  all: 'Everything',
  calls: 'Calls',
  refused: 'Refused',
  sandbox: 'Sandbox',
}

export type CallSearch = RangeSearch & { [name in FilterName]?: string } & {
  filters?: Filter[]
  kind?: Kind
  sort?: string
}

const NAMES = Object.keys(FILTERS) as FilterName[]

export function callsOf(search: Record<string, unknown>): CallSearch {
  const found: CallSearch = rangeOf(search)
  for (const name of NAMES) {
    const value = search[name]
    if (value !== undefined && String(value) !== '') found[name] = String(value)
  }
  const filters = filtersIn(search.filters)
  if (filters.length) found.filters = filters
  if (typeof search.kind === 'string' && Object.hasOwn(KINDS, search.kind) && search.kind !== 'all')
    found.kind = search.kind as Kind
  return { ...found, ...sortOf(search) }
}

/** All filters of an address, however they are written. */
export function filtersOf(search: CallSearch): Filter[] {
  const short = NAMES.filter((name) => search[name] !== undefined).map(
    (name): Filter => ({ dimension: FILTERS[name], test: 'is', values: [search[name] as string] }),
  )
  return [...short, ...(search.filters ?? [])]
}

/** The address with these filters instead, each as short as it can be written. */
export function filteredBy(search: CallSearch, filters: readonly Filter[]): CallSearch {
  const found: CallSearch = { ...search }
  for (const name of NAMES) delete found[name]
  delete found.filters
  const long: Filter[] = []
  for (const filter of filters) {
    const [value] = filter.values
    const name = NAMES.find((one) => FILTERS[one] === filter.dimension)
    const short = filter.test === 'is' && filter.values.length === 1 && typeof value === 'string'
    if (name && short && found[name] === undefined) found[name] = value
    else long.push(filter)
  }
  if (long.length) found.filters = long
  return found
}
