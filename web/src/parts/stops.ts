// Who is stopped right now: the kill switches that are pulled.
import { useQuery } from '@tanstack/react-query'
import { getPolicies } from '../api/sdk.gen'
import { STOP } from '../policies'
import { may, useSession } from '../session'

const AGAIN_MS = 10_000

export const STOPPERS = ['owner', 'admin', 'manager'] as const

export function useStops() {
  const sees = may(useSession(), ...STOPPERS, 'member', 'auditor')
  return useQuery({
    queryKey: ['policies', 'stops'],
    queryFn: async () => {
      const { items } = (await getPolicies({ query: { kind: STOP }, throwOnError: true })).data
      return items.filter((one) => one.status === 'active' && one.mode === 'enforce')
    },
    enabled: sees,
    refetchInterval: AGAIN_MS,
  })
}
