// What the addresses of the lists of teams, projects, users and agents say, and of one of them.
import { type RangeSearch, rangeOf } from '../range'
import { flagOf, sortOf, wordsOf } from '../search'

const ACTS = ['rename', 'move', 'stop'] as const
export type Act = (typeof ACTS)[number]

export type SpendersSearch = RangeSearch & { q?: string; new?: true; sort?: string }
export type SpenderSearch = RangeSearch & { act?: Act }
export type DimensionsSearch = RangeSearch & { new?: true; sort?: string }
export type DimensionSearch = RangeSearch & { on?: string }

export function spendersOf(search: Record<string, unknown>): SpendersSearch {
  return { ...rangeOf(search), ...wordsOf(search), ...flagOf(search, 'new'), ...sortOf(search) }
}

export function spenderOf(search: Record<string, unknown>): SpenderSearch {
  const act = ACTS.find((one) => one === search.act)
  return { ...rangeOf(search), ...(act ? { act } : {}) }
}

export function dimensionsOf(search: Record<string, unknown>): DimensionsSearch {
  return { ...rangeOf(search), ...flagOf(search, 'new'), ...sortOf(search) }
}

/** `on`: the key that the dimension is being set on. */
export function dimensionOf(search: Record<string, unknown>): DimensionSearch {
  const { on } = search
  return { ...rangeOf(search), ...(typeof on === 'string' && on ? { on } : {}) }
}
