// People by their accounts' ids: the API names who did something by id, and a page by the address.
import { useQuery } from '@tanstack/react-query'
import { useCallback } from 'react'
import { getMembers } from '../api/sdk.gen'
import { may, useSession } from '../session'

/** `enabled`: for whose role the list of members is open. `of`: the address, or the id of who is none any more. */
export function useEmails(enabled: boolean): { of: (id: string) => string } {
  const { account } = useSession()
  const { data } = useQuery({
    queryKey: ['members', 'emails'],
    queryFn: async () => {
      const found = new Map<string, string>()
      let cursor: string | undefined
      do {
        const page = (
          await getMembers({ query: { limit: 200, ...(cursor ? { cursor } : {}) }, throwOnError: true })
        ).data
        for (const member of page.items) found.set(member.id, member.email)
        cursor = page.next_cursor ?? undefined
      } while (cursor && found.size < 10_000)
      return found
    },
    enabled,
  })
  const of = useCallback(
    (id: string) => (id === 'cli' ? 'the host' : id === account.id ? account.email : (data?.get(id) ?? id)),
    [data, account.id, account.email],
  )
  return { of }
}

/** The same for whoever looks: ids where the list of members is not open to their role. */
export function useWho(): (id: string) => string {
  return useEmails(may(useSession(), 'owner', 'admin', 'manager', 'auditor')).of
}
