// What calls of something came to, as columns: how many, their cost, and the share that failed.
import type { ModelFigures } from '../api/types.gen'
import { grouped, places } from '../money'
import type { Column } from './Book'
import { Money } from './Money'
import { Rate } from './Rate'

type Traffic = Pick<ModelFigures, 'requests' | 'cost_nanos' | 'errors' | 'error_rate'>

export function trafficOf<Row extends Traffic>(rows: readonly Row[]): Column<Row>[] {
  const decimals = places(rows.map((one) => one.cost_nanos as never))
  return [
    {
      id: 'calls',
      title: 'Calls',
      value: (one) => one.requests,
      shown: (one) => grouped(one.requests),
      number: true,
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      value: (one) => BigInt(one.cost_nanos),
      shown: (one) => <Money nanos={one.cost_nanos as never} decimals={decimals} />,
      number: true,
    },
    {
      id: 'errors',
      title: 'Errors',
      value: (one) => one.error_rate,
      shown: (one) => <Rate of={one} />,
      number: true,
    },
  ]
}
