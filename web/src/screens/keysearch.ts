// What the addresses of the list of keys and of one key say.
import { type RangeSearch, rangeOf } from '../range'
import { flagOf, sortOf, wordsOf } from '../search'

export type KeySearch = RangeSearch & { q?: string; ended?: true; new?: true; sort?: string }

export function keysOf(search: Record<string, unknown>): KeySearch {
  return {
    ...rangeOf(search),
    ...wordsOf(search),
    ...flagOf(search, 'ended'),
    ...flagOf(search, 'new'),
    ...sortOf(search),
  }
}
