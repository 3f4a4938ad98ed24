// A sum that is not whole: calls of models that no price is known of stand in it with nothing, and lead to their list.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getExplore } from '../api/sdk.gen'
import type { GetExploreData } from '../api/types.gen'
import type { Filter } from '../filters'
import { grouped } from '../money'
import type { Period, RangeSearch } from '../range'
import { filteredBy } from '../screens/callsearch'

const UNPRICED: Filter = { dimension: 'method', test: 'is', values: ['unpriced'] }

export function Unpriced({
  days,
  range,
  filters = [],
  slug,
}: {
  days: Period
  range: RangeSearch
  filters?: readonly Filter[]
  slug: string
}) {
  const wanted = [...filters, UNPRICED]
  const asked = {
    ...days,
    group: ['model'],
    grain: 'none' as const,
    metric: 'requests' as const,
    top: 1,
    filters: JSON.stringify(wanted),
  } satisfies GetExploreData['query']
  const { data } = useQuery({
    queryKey: ['explore', 'unpriced', asked],
    queryFn: async () => (await getExplore({ query: asked, throwOnError: true })).data,
  })
  if (!data?.total.requests) return null
  return (
    <output className="partial">
      Not whole:{' '}
      <Link to="/o/$slug/requests" params={{ slug }} search={filteredBy({ ...range, kind: 'calls' }, wanted)}>
        {grouped(data.total.requests)} {data.total.requests === 1 ? 'call' : 'calls'} of{' '}
        {grouped(data.groups)} {data.groups === 1 ? 'model' : 'models'} without a price
      </Link>{' '}
      stand in it with nothing.
    </output>
  )
}
