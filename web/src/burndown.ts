// What is left of a budget over its window, and the even pace at which it would last just to the end. Nothing is foretold.

export type Bucket = { from: number; amount: bigint }
export type Point = { at: number; left: bigint }
export type Span = { start: number; end: number; now: number }

/** What was left at the end of each stretch, from the whole limit at the window's start; only of what has happened. */
export function leftOf(limit: bigint, buckets: readonly Bucket[], { start, end, now }: Span): Point[] {
  const points: Point[] = [{ at: start, left: limit }]
  let left = limit
  const last = Math.min(now, end)
  buckets.forEach(({ from, amount }, place) => {
    if (from >= last) return
    left -= amount
    const until = Math.min(buckets[place + 1]?.from ?? last, last)
    if (until > start) points.push({ at: until, left })
  })
  return points
}

/** How much of the window is over, in percent with one decimal. */
export function overOf({ start, end, now }: Span): number {
  const over = Math.min(Math.max(now - start, 0), end - start)
  return end > start ? Math.round((over * 1000) / (end - start)) / 10 : 100
}

/** What the even pace would have left at a moment. Rough: for the height of a line. */
export function paceAt(limit: bigint, at: number, { start, end }: Span): bigint {
  const whole = BigInt(Math.max(end - start, 1))
  return (limit * BigInt(Math.max(end - at, 0))) / whole
}
