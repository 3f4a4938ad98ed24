// What was done to prices, policies and budgets in these days, out of the ledger: marks on a chart, where a step in its
// figures may come from.
import { useQuery } from '@tanstack/react-query'
import { getLedgerEntries } from '../api/sdk.gen'
import { type Days, todayIn } from '../range'
import { may, useSession } from '../session'

const KINDS = ['PRICE', 'POLICY', 'CAP']
const LIMIT = 200

export type Mark = { day: string; said: string }

export function useMarks(days: Days, zone: string, wanted: boolean): Mark[] {
  const reads = may(useSession(), 'owner', 'admin', 'finance', 'auditor')
  const { data } = useQuery({
    queryKey: ['ledger', 'marks', days],
    queryFn: async () =>
      (await getLedgerEntries({ query: { ...days, kind: KINDS, limit: LIMIT }, throwOnError: true })).data
        .items,
    enabled: reads && wanted,
    staleTime: 60_000,
  })
  return (data ?? []).flatMap(({ at, sentence }) =>
    at ? [{ day: todayIn(zone, new Date(at)), said: sentence }] : [],
  )
}

/** Each at the bucket its day is in; a bucket begins with its name and lasts until the next one. */
export function byBucket(marks: readonly Mark[], buckets: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { day, said } of marks) {
    const bucket = buckets.findLast((one) => one <= day)
    if (bucket) found.set(bucket, [...(found.get(bucket) ?? []), said])
  }
  return found
}
