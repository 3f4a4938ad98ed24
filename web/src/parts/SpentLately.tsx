// What a scope spent in the last thirty days, by day: the evidence behind a request for money, out of the ledger.
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { getExplore } from '../api/sdk.gen'
import { grouped, nanosOf } from '../money'
import { plus, todayIn } from '../range'
import { useZone } from '../session'
import { filtersOf } from '../usage'
import { Money } from './Money'
import { Spark } from './Spark'

const DAYS = 30
const WEEK = 7
const TYPED_MS = 250

export function SpentLately({ kind, value: typed, slug }: { kind: string; value: string; slug: string }) {
  const { zone, known } = useZone()
  const [value] = useDebouncedValue(typed, TYPED_MS)
  const filters = filtersOf(kind, value)
  const end = todayIn(zone)
  const start = plus(end, 1 - DAYS)
  const { data } = useQuery({
    queryKey: ['spent lately', kind, value, end],
    queryFn: async () => {
      const filter = filters?.length ? { filters: JSON.stringify(filters) } : {}
      const asked = async (from: string) =>
        (
          await getExplore({
            query: { start: from, end, grain: 'day', metric: 'cost', ...filter },
            throwOnError: true,
          })
        ).data
      const [month, week] = await Promise.all([asked(start), asked(plus(end, 1 - WEEK))])
      return { month, week }
    },
    enabled: known && filters !== null,
    staleTime: 60_000,
  })
  if (filters === null || !data) return null
  const { month, week } = data
  const monthly = (nanosOf(String(week.total.cost_nanos)) * 30n) / BigInt(WEEK)
  const values = month.total.values
  return (
    <dl className="facts" data-evidence>
      <dt>Last 30 days</dt>
      <dd>
        <Money nanos={String(month.total.cost_nanos)} /> <span className="quiet">for </span>
        <Link
          to="/o/$slug/explore"
          params={{ slug }}
          search={{ range: '30d', group: 'none', ...(filters.length ? { filters } : {}) }}
        >
          {grouped(month.total.requests)} {month.total.requests === 1 ? 'call' : 'calls'}
        </Link>
        {values.length > 0 && <Spark values={values.map((one) => one ?? 0)} />}
      </dd>
      <dt>Last 7 days</dt>
      <dd>
        <Money nanos={String(week.total.cost_nanos)} />
        <span className="quiet">, which would be </span>
        <Money nanos={monthly} />
        <span className="quiet"> in 30 days</span>
      </dd>
    </dl>
  )
}
