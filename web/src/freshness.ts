// How old the ledger is, in words: what the light in the head of every screen says.
import type { FreshnessShown } from './api/types.gen'
import { atText } from './parts/when'

/** The books follow calls within a second; from here on somebody should know that they do not. */
const LATE_S = 5
const STEPS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
] as const

/** "4 s", "2 min", "3 h", "12 d": whole, rounded down. */
export function ageText(seconds: number): string {
  const step = STEPS.find(([size]) => seconds >= size)
  return step ? `${Math.floor(seconds / step[0])} ${step[1]}` : `${seconds} s`
}

export function lagging(books: FreshnessShown | undefined): boolean {
  return books !== undefined && books.behind_s >= LATE_S
}

/** Sentences for whoever points at the light. */
export function freshText(books: FreshnessShown, zone: string): string {
  const newest =
    books.newest_at === null || books.age_s === null
      ? 'The ledger has no entry yet.'
      : `The ledger’s newest entry is from ${atText(books.newest_at, zone)}, ${ageText(books.age_s)} ago.`
  const waits = books.waiting_bytes
    ? `${sizeText(books.waiting_bytes)} of calls wait to be booked, the oldest for ${ageText(books.behind_s)}.`
    : 'Nothing waits to be booked.'
  return `${newest} ${waits}`
}

function sizeText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} bytes`
  return bytes < 1_048_576 ? `${Math.round(bytes / 1_024)} KiB` : `${Math.round(bytes / 1_048_576)} MiB`
}
