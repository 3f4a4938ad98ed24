// Where somebody wanted to go before they had to sign in.

export type LoginSearch = { next?: string; email?: string }

/** `next` leads to a page of this console only, never to wherever a link says: neither another origin nor a script. What is left
 * out is said to be undefined: the router hands on whatever `validateSearch` does not name. */
export function loginOf({ next, email }: Record<string, unknown>): LoginSearch {
  return {
    next: typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : undefined,
    email: typeof email === 'string' ? email : undefined,
  }
}
