// People by their addresses: the ledger and the API name them by their account's id. Whoever may not see the members sees
// their own address, and ids of others.
import { useQuery } from '@tanstack/react-query'
import { getMembers } from '../api/sdk.gen'
import { may, useSession } from '../session'

const SHOWN = 200

export function useWho(): (actor: string) => string {
  const session = useSession()
  const { data } = useQuery({
    queryKey: ['members', 'addresses'],
    queryFn: async () => {
      const found = (await getMembers({ query: { limit: SHOWN }, throwOnError: true })).data.items
      return new Map(found.map((one) => [one.id, one.email]))
    },
    enabled: may(session, 'owner', 'admin', 'manager', 'auditor'),
    staleTime: 300_000,
  })
  return (actor) => {
    if (actor === session.account.id) return session.account.email
    return actor === 'cli' ? 'somebody on the host' : (data?.get(actor) ?? actor)
  }
}
