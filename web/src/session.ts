// Who is signed in. The session is a cookie that no script can read; what pages need of it (`csrf`) is asked for once
// and goes with every change. A 401 anywhere means it has ended: the page is left for the sign-in, and returned to.
import { type QueryClient, queryOptions, useQuery } from '@tanstack/react-query'
import { client } from './api/client.gen'
import { getAuthSession, getOrganization } from './api/sdk.gen'
import type { SessionShown } from './api/types.gen'
import { exactFetch } from './exact'
import { Problem } from './problem'

export type Session = SessionShown
export type Role = 'owner' | 'admin' | 'finance' | 'manager' | 'member' | 'auditor'

/** As the server has it (control/passwords.py). */
export const PASSWORD_CHARS_MIN = 8

const CHANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session | null> => {
    try {
      const session = (await getAuthSession({ throwOnError: true })).data
      csrf = session.csrf
      return session
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 401) return null
      throw problem
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
})

let csrf: string | null = null

export function connect(): void {
  client.setConfig({ baseUrl: '', fetch: exactFetch, credentials: 'same-origin' })
  client.interceptors.request.use((request) => {
    if (csrf && CHANGES.has(request.method)) request.headers.set('X-CSRF-Token', csrf)
    return request
  })
  client.interceptors.error.use((error, response) => Problem.of(error, response))
}

const nameOf = (session: Session | null | undefined) =>
  session ? `${session.account.id} ${session.organization}` : ''
let pages: BroadcastChannel | null = null

/** Pages of one browser share the cookie, so what it opens changes for all at once. Where another one signed in, out, or went
 * to another organisation, this one must not show figures of one as another's. */
export function follow(queries: QueryClient): void {
  pages = new BroadcastChannel('tallystick session')
  pages.onmessage = ({ data }) => {
    const here = nameOf(queries.getQueryData(sessionQuery.queryKey))
    if (here === data) queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
    else if (here !== '') window.location.reload()
  }
}

/** Somebody came in, or goes on in another organisation: nothing of before stays, and everything is asked for anew. */
export function enter(queries: QueryClient, session: Session): void {
  csrf = session.csrf
  queries.clear()
  queries.setQueryData(sessionQuery.queryKey, session)
  pages?.postMessage(nameOf(session))
}

/** After its end: nothing that was loaded in it stays. */
export function forget(queries: QueryClient): void {
  csrf = null
  queries.clear()
  queries.setQueryData(sessionQuery.queryKey, null)
  pages?.postMessage('')
}

/** The session of a page behind the sign-in. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery)
  if (!data) throw new Error('this page is behind the sign-in')
  return data
}

/** Whether the role may do it, as far as a page can tell; the server decides. */
export function may(session: Session, ...roles: Role[]): boolean {
  return roles.includes(session.role as Role)
}

export const organizationQuery = queryOptions({
  queryKey: ['organization'],
  queryFn: async () => (await getOrganization({ throwOnError: true })).data,
  staleTime: 300_000,
})

/** The organisation one is signed in to, once it is known. */
export function useOrganization() {
  return useQuery(organizationQuery).data
}

/** The organisation's zone, whose days all figures are of; UTC until it is known. */
export function useZone(): { zone: string; known: boolean } {
  const { data } = useQuery(organizationQuery)
  return { zone: data?.zone ?? 'UTC', known: data !== undefined }
}
