// Money as people read it. An amount is a whole number of nano-dollars (1e-9), a text or a bigint, and never passes
// through a floating-point number: what stands on the screen is what stands in the ledger. From a dollar on there are
// two decimals, below it up to six; whoever needs all nine finds them in `full`.

export type Nanos = bigint | string

const NANOS_PER_DOLLAR = 1_000_000_000n
const CURRENCY = '$'
const MINUS = '−'

export function nanosOf(text: Nanos): bigint {
  return typeof text === 'bigint' ? text : BigInt(text)
}

/** A decimal text of dollars, as the API writes it ("0.00042"), in nanos; digits past the ninth are an error. */
export function nanosOfDollars(text: string): bigint {
  const found = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(text)
  if (!found) throw new RangeError(`not an amount: ${text}`)
  const [, sign, whole, part = ''] = found
  const amount = BigInt(whole as string) * NANOS_PER_DOLLAR + BigInt(part.padEnd(9, '0') || '0')
  return sign ? -amount : amount
}

/** The amount without its currency, rounded half-even to what a glance needs: "1,204.50", "0.000042", "0". */
export function figure(amount: Nanos): string {
  const nanos = nanosOf(amount)
  if (nanos === 0n) return '0.00'
  const size = nanos < 0n ? -nanos : nanos
  const sign = nanos < 0n ? MINUS : ''
  if (size <= 500n) return `${sign}<0.000001`
  // What rounds up to a dollar is shown as one.
  const decimals = size >= NANOS_PER_DOLLAR - 500n ? 2 : 6
  return sign + decimal(rounded(size, decimals), decimals)
}

/** The amount to the nano: "$1,204.500000042". */
export function full(amount: Nanos): string {
  const nanos = nanosOf(amount)
  const size = nanos < 0n ? -nanos : nanos
  return `${nanos < 0n ? MINUS : ''}${CURRENCY}${decimal(size, 9)}`
}

/** With the currency sign, for sentences and labels. */
export function money(amount: Nanos): string {
  const text = figure(amount)
  return text.startsWith(MINUS) ? `${MINUS}${CURRENCY}${text.slice(1)}` : `${CURRENCY}${text}`
}

/** How many decimals a column of amounts needs, so that its points stand under each other. */
export function places(amounts: Iterable<Nanos>): number {
  let most = 0
  for (const amount of amounts) most = Math.max(most, figure(amount).split('.')[1]?.length ?? 0)
  return most
}

/** Rough dollars for the length of a bar. Never shown, never added up. */
export function length(amount: Nanos): number {
  return Number(nanosOf(amount) / 1000n) / 1e6
}

/** Share of the whole in percent, one decimal; null where there is no whole. */
export function percent(part: Nanos, whole: Nanos): string | null {
  const all = nanosOf(whole)
  if (all === 0n) return null
  const thousandths = Number((nanosOf(part) * 10_000n) / all + 5n) / 10
  return `${(Math.floor(thousandths) / 10).toFixed(1)} %`
}

export function sum(amounts: Iterable<Nanos>): bigint {
  let total = 0n
  for (const amount of amounts) total += nanosOf(amount)
  return total
}

function rounded(size: bigint, decimals: number): bigint {
  const unit = 10n ** BigInt(9 - decimals)
  const down = size / unit
  const rest = size % unit
  const half = unit / 2n
  return down + (rest > half || (rest === half && down % 2n === 1n) ? 1n : 0n)
}

/** `size` counted in units of that many decimals. Below two decimals nothing is cut; behind them trailing zeros are. */
function decimal(size: bigint, decimals: number): string {
  const unit = 10n ** BigInt(decimals)
  const part = (size % unit).toString().padStart(decimals, '0').replace(/0+$/, '').padEnd(2, '0')
  return `${grouped(size / unit)}.${part}`
}

export function grouped(whole: bigint | number): string {
  return whole.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** The sum of decimal texts of any length ("0.00000000125"), exactly. */
export function exactSum(texts: Iterable<string>): string {
  let total = 0n
  let scale = 0
  for (const text of texts) {
    const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
    if (!found) throw new RangeError(`not a decimal: ${text}`)
    const [, sign, whole, part = ''] = found
    if (part.length > scale) {
      total *= 10n ** BigInt(part.length - scale)
      scale = part.length
    }
    const amount = BigInt(`${whole}${part}`) * 10n ** BigInt(scale - part.length)
    total += sign ? -amount : amount
  }
  const size = (total < 0n ? -total : total).toString().padStart(scale + 1, '0')
  const part = scale ? size.slice(-scale).replace(/0+$/, '') : ''
  return `${total < 0n ? '-' : ''}${scale ? size.slice(0, -scale) : size}${part ? `.${part}` : ''}`
}

/** So many calls, in words. */
export const calls = (count: number) => `${grouped(count)} ${count === 1 ? 'call' : 'calls'}`
