// How policies stand: what they refused lately, what is odd about them, whether they act.
import { useQuery } from '@tanstack/react-query'
import { getPoliciesActivity } from '../api/sdk.gen'
import type { Activity } from '../api/types.gen'

const AGAIN_MS = 15_000

export function useActivity(): Activity | undefined {
  return useQuery({
    queryKey: ['policies', 'activity'],
    queryFn: async () => (await getPoliciesActivity({ query: { days: 7 }, throwOnError: true })).data,
    refetchInterval: AGAIN_MS,
  }).data
}

const STATUS: Record<string, string> = { to_come: 'to come', ended: 'ended' }

export function ModeTag({ policy }: { policy: { mode: string; status: string } }) {
  const status = STATUS[policy.status]
  if (status) return <span className="tag">{status}</span>
  return <span className={policy.mode === 'enforce' ? 'tag accent' : 'tag'}>{policy.mode}</span>
}
