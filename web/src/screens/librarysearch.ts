// What the address of the library says: the days its costs are of, and the open dialog.
import { type RangeSearch, rangeOf } from '../range'

export type LibrarySearch = RangeSearch & { q?: string; new?: true; sort?: string }

export function libraryOf(search: Record<string, unknown>): LibrarySearch {
  const found: LibrarySearch = rangeOf(search)
  if (search.q !== undefined && search.q !== '') found.q = String(search.q)
  if (search.new === true) found.new = true
  if (typeof search.sort === 'string' && /^-?\w+$/.test(search.sort)) found.sort = search.sort
  return found
}
