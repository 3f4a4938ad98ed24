// What calls of something came to, as columns: how many, their cost, and the share that failed. Each leads to those calls.
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { ModelFigures } from '../api/types.gen'
import { FAILED } from '../filters'
import { grouped, places } from '../money'
import type { CallSearch } from '../screens/callsearch'
import type { Column } from './Book'
import { Money } from './Money'
import { Rate } from './Rate'

type Traffic = Pick<ModelFigures, 'requests' | 'cost_nanos' | 'errors' | 'error_rate'>

export function trafficOf<Row extends Traffic>(
  rows: readonly Row[],
  slug: string,
  callsOf: (one: Row) => CallSearch,
): Column<Row>[] {
  const decimals = places(rows.map((one) => one.cost_nanos as never))
  const toCalls = (calls: CallSearch, shown: ReactNode) => (
    <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={{ ...calls, kind: 'calls' }}>
      {shown}
    </Link>
  )
  return [
    {
      id: 'calls',
      title: 'Calls',
      value: (one) => one.requests,
      shown: (one) => (one.requests ? toCalls(callsOf(one), grouped(one.requests)) : '0'),
      number: true,
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      value: (one) => BigInt(one.cost_nanos),
      shown: (one) => {
        const cost = <Money nanos={one.cost_nanos as never} decimals={decimals} />
        return one.requests ? toCalls(callsOf(one), cost) : cost
      },
      number: true,
    },
    {
      id: 'errors',
      title: 'Errors',
      value: (one) => one.error_rate,
      shown: (one) => {
        const calls = callsOf(one)
        const rate = <Rate of={one} />
        return one.errors ? toCalls({ ...calls, filters: [...(calls.filters ?? []), FAILED] }, rate) : rate
      },
      number: true,
    },
  ]
}
