import { expect, test } from 'vitest'
import { leftOf, overOf, paceAt } from './burndown'

const DAY = 86_400_000
const SPAN = { start: 0, end: 10 * DAY, now: 2.5 * DAY }

test('what is left falls by what each stretch took, and ends now', () => {
  const buckets = [5n, 0n, 7n, 0n].map((amount, place) => ({ from: place * DAY, amount }))
  expect(leftOf(100n, buckets, SPAN)).toEqual([
    { at: 0, left: 100n },
    { at: DAY, left: 95n },
    { at: 2 * DAY, left: 95n },
    { at: 2.5 * DAY, left: 88n },
  ])
  expect(leftOf(3n, buckets, SPAN).at(-1)).toEqual({ at: 2.5 * DAY, left: -9n })
  expect(leftOf(100n, [], SPAN)).toEqual([{ at: 0, left: 100n }])
})

test('a window that began in the middle of a day counts that day from its start', () => {
  const span = { start: DAY / 2, end: 5 * DAY, now: 2 * DAY }
  expect(leftOf(10n, [{ from: 0, amount: 4n }], span)).toEqual([
    { at: DAY / 2, left: 10n },
    { at: 2 * DAY, left: 6n },
  ])
})

test('the even pace', () => {
  expect(overOf(SPAN)).toBe(25)
  expect(overOf({ ...SPAN, now: 99 * DAY })).toBe(100)
  expect(paceAt(100n, 0, SPAN)).toBe(100n)
  expect(paceAt(100n, 5 * DAY, SPAN)).toBe(50n)
  expect(paceAt(100n, 11 * DAY, SPAN)).toBe(0n)
})
