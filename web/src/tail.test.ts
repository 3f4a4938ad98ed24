import { expect, it } from 'vitest'
import type { CallItem } from './calls'
import { barsOf, EMPTY, grown, KEPT_MAX, minuteOf } from './tail'

const NOW = Date.parse('2026-11-21T12:00:00Z')

function call(id: string, more: Partial<CallItem> = {}): CallItem {
  return {
    id,
    attempts: 1,
    at: '2026-11-21T11:59:58Z',
    state: 'settled',
    status: 200,
    cost_nanos: '42',
    ...more,
  } as CallItem
}

it('the newest call stands first, and none twice', () => {
  let tail = grown(EMPTY, [call('a'), call('b')], false)
  tail = grown(tail, [call('c'), call('a', { cost_nanos: '43' })], false)
  expect(tail.shown.map((one) => one.id)).toEqual(['c', 'b', 'a'])
  expect(tail.shown[2]?.cost_nanos).toBe('43')
})

it('while it stands still calls wait, and come all at once', () => {
  let tail = grown(EMPTY, [call('a')], false)
  tail = grown(grown(tail, [call('b')], true), [call('c')], true)
  expect([tail.shown.length, tail.waiting.length]).toEqual([1, 2])
  expect(grown(tail, [], false).shown.map((one) => one.id)).toEqual(['c', 'b', 'a'])
})

it('it never keeps more than a screen can show', () => {
  const many = Array.from({ length: KEPT_MAX + 7 }, (_, place) => call(`r${place}`))
  expect(grown(EMPTY, many, false).shown.length).toBe(KEPT_MAX)
})

it('the last minute is counted, exactly, and what is older is not', () => {
  const tail = grown(
    EMPTY,
    [
      call('old', { at: '2026-11-21T11:58:59Z', cost_nanos: '999' }),
      call('first', { at: '2026-11-21T11:59:01Z', cost_nanos: '9007199254740993' }),
      call('refused', { state: 'refused', status: 402, cost_nanos: '0' }),
      call('ahead', { at: '2026-11-21T12:00:01Z', cost_nanos: '1' }),
    ],
    false,
  )
  const minute = minuteOf(tail, NOW)
  expect([minute.nanos, minute.calls, minute.failed]).toEqual([9007199254740994n, 3, 1])
  expect([minute.steps[0], minute.steps[11]]).toEqual([9007199254740993n, 1n])
  const bars = barsOf(minute)
  expect([bars[0], bars[11]]).toEqual([
    { ago: 60, percent: 100 },
    { ago: 5, percent: 0 },
  ])
})
