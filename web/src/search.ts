// What the addresses of lists have in common: the words typed to narrow one down, and its order.

/** A column's id, with a minus for downwards. */
export function sortOf({ sort }: Record<string, unknown>): { sort?: string } {
  return typeof sort === 'string' && /^-?[\w.]{1,80}$/.test(sort) ? { sort } : {}
}

/** What looks like a number was typed all the same. */
export function wordsOf({ q }: Record<string, unknown>): { q?: string } {
  return q === undefined || q === null || String(q) === '' ? {} : { q: String(q) }
}

/** A word of an address that is there or not (`new=true` opens a dialog). */
export function flagOf<const Name extends string>(
  search: Record<string, unknown>,
  name: Name,
): { [name in Name]?: true } {
  return (search[name] === true ? { [name]: true } : {}) as { [name in Name]?: true }
}
