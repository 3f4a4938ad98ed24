// Says, over a view of days whose calls were dropped, from which day on single calls stand, and what stays of the others.
import { queryOptions, useQuery } from '@tanstack/react-query'
import { getRetention } from '../api/sdk.gen'
import { dayText } from '../range'

export const retentionQuery = queryOptions({
  queryKey: ['retention'],
  queryFn: async () => (await getRetention({ throwOnError: true })).data,
  staleTime: 300_000,
})

// `start`: the first day of the view. `sums`: it shows sums, which stay; otherwise the calls themselves.
export function RowsFrom({ start, sums }: { start: string; sums?: boolean }) {
  const from = useQuery(retentionQuery).data?.rows_from
  if (!from || start >= from) return null
  return (
    <p className="soft" role="note">
      {sums
        ? `Sums before ${dayText(from)} stay; the single calls behind them were dropped, so not every two groups go together there.`
        : `Single calls before ${dayText(from)} were dropped; what they came to stays in Explore.`}
    </p>
  )
}
