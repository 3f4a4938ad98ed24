import { expect, test } from 'vitest'
import { ageText, freshText, lagging } from './freshness'

const BOOKS = {
  at: '2026-11-21T12:00:30Z',
  newest_at: '2026-11-21T12:00:00Z',
  age_s: 30,
  waiting_bytes: 0,
  behind_s: 0,
}

test('an age is as short as it can be said', () => {
  expect([0, 59, 60, 3_599, 7_200, 90_000].map(ageText)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '2 h',
    '1 d',
  ])
})

test('quiet is not late: an old entry with nothing waiting is as fresh as it can be', () => {
  const quiet = { ...BOOKS, age_s: 7_200 }
  expect(lagging(quiet)).toBe(false)
  expect(freshText(quiet, 'UTC')).toBe(
    'The ledger’s newest entry is from 21 Nov 12:00:00, 2 h ago. Nothing waits to be booked.',
  )
})

test('what waits for long is late, and says how much', () => {
  const late = { ...BOOKS, waiting_bytes: 49_152, behind_s: 75 }
  expect([lagging(undefined), lagging(late)]).toEqual([false, true])
  expect(freshText(late, 'UTC')).toContain('48 KiB of calls wait to be booked, the oldest for 1 min.')
})

test('an empty ledger has no age', () => {
  expect(freshText({ ...BOOKS, newest_at: null, age_s: null }, 'UTC')).toContain('no entry yet')
})
