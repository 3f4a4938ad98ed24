// What the address of the list of calls says: which days, which calls, which of them first.
import { type RangeSearch, rangeOf } from '../range'

export const FILTERS = {
  team: 'Team',
  project: 'Project',
  user: 'User',
  agent: 'Agent',
  environment: 'Environment',
  cost_center: 'Cost centre',
  key: 'Key',
  provider: 'Provider',
  requested_model: 'Model asked for',
  served_model: 'Model',
  prompt_key: 'Prompt',
  code: 'Code',
} as const

export type FilterName = keyof typeof FILTERS
export type Kind = 'all' | 'calls' | 'refused' | 'sandbox'
export const KINDS: Record<Kind, string> = {
  all: 'Everything',
  calls: 'Calls',
  refused: 'Refused',
  sandbox: 'Sandbox',
}

export type CallSearch = RangeSearch & { [name in FilterName]?: string } & { kind?: Kind; sort?: string }

export function callsOf(search: Record<string, unknown>): CallSearch {
  const found: CallSearch = rangeOf(search)
  for (const name of Object.keys(FILTERS) as FilterName[]) {
    const value = search[name]
    if (value !== undefined && String(value) !== '') found[name] = String(value)
  }
  if (typeof search.kind === 'string' && Object.hasOwn(KINDS, search.kind) && search.kind !== 'all')
    found.kind = search.kind as Kind
  if (typeof search.sort === 'string' && /^-?\w+$/.test(search.sort)) found.sort = search.sort
  return found
}

/** The filters that are set. */
export function chosen(search: CallSearch): FilterName[] {
  return (Object.keys(FILTERS) as FilterName[]).filter((name) => search[name] !== undefined)
}
