// How full a budget is: what is spent, then what is held. Its figures stand beside it, so it says nothing by itself.
import { barOf, inkOf, type Standing, shareOf, type Unit } from '../budgets'
import { grouped } from '../money'
import { Money } from './Money'

export function BudgetBar({ standing }: { standing: Standing }) {
  const { spent, held } = barOf(standing)
  const ink = inkOf(shareOf(standing.spent, standing.limit))
  return (
    <span className="meter parted" aria-hidden>
      {spent > 0 && <i style={{ width: `${spent}%`, background: ink }} />}
      {held > 0 && <i style={{ width: `${held}%`, background: ink, opacity: 0.4 }} />}
    </span>
  )
}

/** `bare`: without its unit, where another column of the row says it. */
export function Amount({ unit, amount, bare }: { unit: Unit; amount: bigint; bare?: boolean }) {
  if (unit === 'money') return <Money nanos={amount} />
  return (
    <span className="nowrap" data-amount={String(amount)}>
      {grouped(amount).replace('-', '−')}
      {!bare && <span className="quiet"> {unit}</span>}
    </span>
  )
}
