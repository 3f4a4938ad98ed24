// What a live view keeps: the newest calls, those that wait while it stands still, and what the last minute came to.
import type { CallItem } from './calls'
import { nanosOf } from './money'

export const KEPT_MAX = 500
const MINUTE_MS = 60_000
const STEPS = 12

export type Tail = {
  shown: CallItem[]
  waiting: CallItem[]
  /** Entries that went by faster than a view can show. */
  skipped: number
}

export const EMPTY: Tail = { shown: [], waiting: [], skipped: 0 }

const nameOf = (call: CallItem) => `${call.id} ${call.attempts}`

/** The tail after some calls more, the newest first; one that was told before is told anew in its place. */
export function grown(tail: Tail, calls: readonly CallItem[], still: boolean): Tail {
  const known = new Map(calls.map((call) => [nameOf(call), call]))
  const renewed = (rows: CallItem[]) =>
    rows.map((row) => {
      const fresh = known.get(nameOf(row))
      if (fresh) known.delete(nameOf(row))
      return fresh ?? row
    })
  const shown = renewed(tail.shown)
  const waiting = renewed(tail.waiting)
  const fresh = [...known.values()].reverse()
  return still
    ? { ...tail, shown, waiting: [...fresh, ...waiting].slice(0, KEPT_MAX) }
    : { ...tail, shown: [...fresh, ...waiting, ...shown].slice(0, KEPT_MAX), waiting: [] }
}

export type Minute = { nanos: bigint; calls: number; failed: number; steps: bigint[] }

/** What the calls of the last minute come to, and their cost in steps of five seconds, the oldest first. */
export function minuteOf(tail: Tail, nowMs: number): Minute {
  const minute: Minute = { nanos: 0n, calls: 0, failed: 0, steps: Array.from({ length: STEPS }, () => 0n) }
  for (const call of [...tail.waiting, ...tail.shown]) {
    const age = nowMs - Date.parse(call.at)
    if (age >= MINUTE_MS) continue
    const step = Math.min(STEPS - 1, Math.max(0, STEPS - 1 - Math.floor((age * STEPS) / MINUTE_MS)))
    minute.calls += 1
    minute.nanos += nanosOf(call.cost_nanos)
    minute.steps[step] = (minute.steps[step] ?? 0n) + nanosOf(call.cost_nanos)
    if (call.state === 'refused' || (call.status ?? 200) >= 400) minute.failed += 1
  }
  return minute
}

/** The steps as bars: how many seconds ago each began, and its height in percent of the tallest. */
export function barsOf(minute: Minute): { ago: number; percent: number }[] {
  let tallest = 1n
  for (const step of minute.steps) if (step > tallest) tallest = step
  return minute.steps.map((step, place) => ({
    ago: ((STEPS - place) * MINUTE_MS) / STEPS / 1000,
    percent: Number((step * 100n) / tallest),
  }))
}
