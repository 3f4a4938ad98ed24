// How full a budget is: what is spent, then what is held. Its figures stand beside it, so it says nothing by itself.
import { barOf, inkOf, type Standing, shareOf, type Unit } from '../budgets'
import { grouped } from '../money'
import { Money } from './Money'

export function BudgetBar({ standing }: { standing: Standing }) {
  const { spent, held } = barOf(standing)
  const ink = inkOf(shareOf(standing.spent, standing.limit))
  return (
    <span className="meter parted" aria-hidden>
      <i style={{ width: `${spent}%`, background: ink }} />
      {held > 0 && <i style={{ width: `${held}%`, background: ink, opacity: 0.4 }} />}
    </span>
  )
}

export function Amount({ unit, amount }: { unit: Unit; amount: bigint }) {
  if (unit === 'money') return <Money nanos={amount} />
  return (
    <span className="nowrap" data-amount={String(amount)}>
      {grouped(amount)} <span className="quiet">{unit}</span>
    </span>
  )
}
