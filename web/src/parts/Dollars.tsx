// A rate as the price book says it, with all its digits; in a column the points stand under each other.

/** How many decimals a column of rates needs. */
export function decimalsOf(rates: Iterable<string | null>): number {
  let most = 0
  for (const rate of rates) most = Math.max(most, rate?.split('.')[1]?.length ?? 0)
  return most
}

export function Dollars({ rate, decimals = 0 }: { rate: string; decimals?: number }) {
  const part = rate.split('.')[1] ?? ''
  const missing = '0'.repeat(Math.max(decimals - part.length, 0))
  return (
    <span className="nowrap">
      <span className="currency">$</span>
      {rate}
      {missing && (
        <span className="inkless" aria-hidden>
          {part ? missing : `.${missing}`}
        </span>
      )}
    </span>
  )
}
