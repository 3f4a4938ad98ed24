// What the address of the list of keys says.
export type KeySearch = { q?: string; ended?: true; new?: true; sort?: string }

export function keysOf(search: Record<string, unknown>): KeySearch {
  return {
    ...(typeof search.q === 'string' && search.q ? { q: search.q } : {}),
    ...(search.ended === true ? { ended: true as const } : {}),
    ...(search.new === true ? { new: true as const } : {}),
    ...(typeof search.sort === 'string' && /^-?\w+$/.test(search.sort) ? { sort: search.sort } : {}),
  }
}
