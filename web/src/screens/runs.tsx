// The runs of an agent or a user: calls that name the same session with `X-Tallystick-Session`. Each leads to its calls, and
// what runs come to is what their calls come to.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useMemo } from 'react'
import { getExplore } from '../api/sdk.gen'
import type { OneSpender, Series } from '../api/types.gen'
import type { Filter } from '../filters'
import { grouped, money, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import type { Days, RangeSearch } from '../range'
import { callsOf, filtersOf, type Whose } from '../spenders'

const RUNS = 10
const NAMED: Filter = { dimension: 'session', test: 'is_not', values: [null] }
const NAMELESS: Filter = { dimension: 'session', test: 'is', values: [null] }

type Asked = { whose: Whose; one: OneSpender; days: Days; range: RangeSearch; slug: string }

export function Runs({ whose, one, days, range, slug }: Asked) {
  const filters = useMemo(() => [...filtersOf(whose), NAMED], [whose])
  const { data, error } = useQuery({
    queryKey: ['explore', 'session', whose, days],
    queryFn: async () =>
      (
        await getExplore({
          query: { ...days, group: ['session'], grain: 'none', top: RUNS, filters: JSON.stringify(filters) },
          throwOnError: true,
        })
      ).data,
  })
  const calls = { ...range, kind: 'calls' as const, ...callsOf(whose) }
  if (error || !data)
    return <Section title="Runs">{error ? <Fault problem={error} /> : <Coming rows={3} />}</Section>
  const runs = data.groups
  const nameless = one.requests - data.total.requests
  if (!runs)
    return (
      <Section title="Runs">
        <p className="nothing">
          No call of these days says which run it belongs to. With <code>X-Tallystick-Session</code> they are
          counted run by run, and a run can have a limit of its own.
        </p>
      </Section>
    )
  const columns = runColumns(data.series, (session, shown) => (
    <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, session }}>
      {shown}
    </Link>
  ))
  return (
    <Section
      title="Runs"
      end={
        <>
          {`${grouped(runs)} ${runs === 1 ? 'run' : 'runs'}, ${money(nanosOf(data.total.cost_nanos) / BigInt(runs))} each on average`}{' '}
          <Link to="/o/$slug/explore" params={{ slug }} search={{ ...range, group: 'session', filters }}>
            All runs
          </Link>{' '}
          <AsCsv name={`runs-${whose.name}`} columns={columns} rows={data.series} />
        </>
      }
    >
      <Book caption="Runs" columns={columns} rows={data.series} id={(run) => run.names[0] ?? ''} />
      <p className="label below">
        <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, filters: [NAMED] }}>
          {grouped(data.total.requests)} {data.total.requests === 1 ? 'call' : 'calls'}
        </Link>{' '}
        in runs cost <Money nanos={data.total.cost_nanos} />
        {nameless > 0 && (
          <>
            {'; '}
            <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, filters: [NAMELESS] }}>
              {grouped(nameless)} more
            </Link>{' '}
            named no run and cost <Money nanos={nanosOf(one.cost_nanos) - nanosOf(data.total.cost_nanos)} />
          </>
        )}
        .
      </p>
    </Section>
  )
}

function runColumns(
  rows: readonly Series[],
  leads: (session: string, shown: string) => ReactNode,
): Column<Series>[] {
  const decimals = places(rows.map((one) => one.cost_nanos))
  const nameOf = (one: Series) => one.names[0] ?? ''
  return [
    {
      id: 'run',
      title: 'Dearest runs',
      value: nameOf,
      shown: (one) => leads(nameOf(one), nameOf(one)),
    },
    { id: 'errors', title: 'Errors', value: (one) => one.errors, number: true, wide: true },
    {
      id: 'calls',
      title: 'Calls',
      value: (one) => one.requests,
      shown: (one) => leads(nameOf(one), grouped(one.requests)),
      number: true,
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      number: true,
      value: (one) => nanosOf(one.cost_nanos),
      shown: (one) => <Money nanos={one.cost_nanos} decimals={decimals} />,
    },
  ]
}
