// The figures of the cost explorer, and how each is read. All of them are whole numbers here (nano-dollars, counts,
// microseconds, hundredths of a percent), so that differences and sums of them are exact.
import type { Measures } from '../api/types.gen'
import { grouped, money, nanosOf, percent } from '../money'

type Unit = 'money' | 'count' | 'time' | 'share'

/** `adds`: whether those of the parts add up to that of the whole; what does not is no stack of bars, and has no share. */
export const METRICS = {
  cost: { title: 'Cost', unit: 'money', adds: true },
  requests: { title: 'Requests', unit: 'count', adds: true },
  attempts: { title: 'Attempts', unit: 'count', adds: true },
  errors: { title: 'Errors', unit: 'count', adds: true },
  tokens: { title: 'Tokens', unit: 'count', adds: true },
  input_tokens: { title: 'Input tokens', unit: 'count', adds: true },
  output_tokens: { title: 'Output tokens', unit: 'count', adds: true },
  cached_tokens: { title: 'Cached tokens', unit: 'count', adds: true },
  reasoning_tokens: { title: 'Reasoning tokens', unit: 'count', adds: true },
  cost_per_request: { title: 'Cost per request', unit: 'money', adds: false },
  cost_per_million_tokens: { title: 'Cost per million tokens', unit: 'money', adds: false },
  error_rate: { title: 'Error rate', unit: 'share', adds: false },
  latency_mean: { title: 'Latency, mean', unit: 'time', adds: false },
  latency_p50: { title: 'Latency, median', unit: 'time', adds: false },
  latency_p95: { title: 'Latency, 95th percentile', unit: 'time', adds: false },
  off_list: { title: 'Saved against list prices', unit: 'money', adds: true },
  would_be: { title: 'Would have cost', unit: 'money', adds: true },
} as const satisfies Record<string, { title: string; unit: Unit; adds: boolean }>
export type Metric = keyof typeof METRICS

export function isMetric(value: unknown): value is Metric {
  return typeof value === 'string' && Object.hasOwn(METRICS, value)
}

/** The metric of some calls, exactly; null of none. */
export function amountOf(measures: Measures, metric: Metric): bigint | null {
  if (metric === 'cost' || metric === 'off_list' || metric === 'would_be')
    return nanosOf(measures[`${metric}_nanos`] as unknown as string)
  return pointOf(measures.value, metric)
}

/** A point of a chart, in the same whole numbers. */
export function pointOf(value: number | null, metric: Metric): bigint | null {
  if (value === null) return null
  return BigInt(Math.round(METRICS[metric].unit === 'share' ? value * 10_000 : value))
}

export function shown(amount: bigint | null, metric: Metric): string {
  if (amount === null) return '–'
  const { unit } = METRICS[metric]
  if (unit === 'money') return money(amount)
  const size = amount < 0n ? -amount : amount
  return (
    (amount < 0n ? '−' : '') +
    (unit === 'count' ? grouped(size) : unit === 'share' ? share(size) : time(size))
  )
}

/** The same where there is little room: beside an axis. */
export function axisText(amount: bigint, metric: Metric): string {
  return METRICS[metric].unit === 'count' && amount >= 10_000n ? ROUGH.format(amount) : shown(amount, metric)
}

export type Change = { size: bigint; by: string; rate: string | null }

/** How much more or less than before: with its sign, and in percent of what it was where it was something. */
export function changeOf(now: bigint | null, before: bigint | null, metric: Metric): Change | null {
  if (now === null || before === null) return null
  const size = now - before
  const sign = size > 0n ? '+' : size < 0n ? '−' : ''
  const far = size < 0n ? -size : size
  const rate = before > 0n ? percent(far, before) : null
  return { size, by: `${sign}${shown(far, metric)}`, rate: rate && `${sign}${rate}` }
}

const ROUGH = new Intl.NumberFormat('en', { notation: 'compact' })
const share = (hundredths: bigint) =>
  `${grouped(hundredths / 100n)}.${(hundredths % 100n).toString().padStart(2, '0')} %`
const time = (us: bigint) =>
  us < 10_000n
    ? `${(Number(us) / 1000).toFixed(1)} ms`
    : us < 10_000_000n
      ? `${grouped(us / 1000n)} ms`
      : `${(Number(us / 1000n) / 1000).toFixed(1)} s`
