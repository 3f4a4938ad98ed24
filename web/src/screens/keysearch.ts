// What the address of the list of keys says.
import { flagOf, sortOf, wordsOf } from '../search'

export type KeySearch = { q?: string; ended?: true; new?: true; sort?: string }

export function keysOf(search: Record<string, unknown>): KeySearch {
  return { ...wordsOf(search), ...flagOf(search, 'ended'), ...flagOf(search, 'new'), ...sortOf(search) }
}
