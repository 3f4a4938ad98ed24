import { describe, expect, it } from 'vitest'
import {
  beginOf,
  daysOf,
  dayText,
  everyDay,
  labelOf,
  periodOf,
  type RangeSearch,
  rangeOf,
  todayIn,
  wholeDays,
} from './range'

describe('the days of an address', () => {
  it.each([
    [{}, '2026-10-23', '2026-11-21'],
    [{ range: 'today' }, '2026-11-21', '2026-11-21'],
    [{ range: '24h' }, '2026-11-20', '2026-11-21'],
    [{ range: '7d' }, '2026-11-15', '2026-11-21'],
    [{ range: 'mtd' }, '2026-11-01', '2026-11-21'],
    [{ range: 'billing' }, '2026-11-01', '2026-11-30'],
    [{ range: 'qtd' }, '2026-10-01', '2026-11-21'],
    [{ range: '90d' }, '2026-08-24', '2026-11-21'],
    [{ range: 'never' }, '2026-10-23', '2026-11-21'],
    [{ range: 'ytd' }, '2026-01-01', '2026-11-21'],
    [{ range: 'last_month' }, '2026-10-01', '2026-10-31'],
    [{ from: '2026-01-30', to: '2026-03-01' }, '2026-01-30', '2026-03-01'],
  ])('%o', (search, start, end) => {
    expect(daysOf(search as RangeSearch, '2026-11-21')).toEqual({ start, end })
  })

  it('of a billing period are those of the calendar month', () => {
    expect(daysOf({ range: 'billing' }, '2026-12-31').end).toBe('2026-12-31')
    expect(daysOf({ range: 'billing' }, '2028-02-01').end).toBe('2028-02-29')
    expect(daysOf({ range: 'qtd' }, '2026-01-01')).toEqual({ start: '2026-01-01', end: '2026-01-01' })
  })

  it('what makes no sense is the default, and the default is left out', () => {
    for (const search of [
      { range: 'constructor' },
      { range: '30d' },
      { from: '2026-02-30', to: '2026-03-01' },
      { from: '2026-03-02', to: '2026-03-01' },
    ]) {
      expect(rangeOf(search)).toEqual({})
    }
  })

  it('are all of them, over a change of month', () => {
    expect(everyDay({ start: '2026-02-27', end: '2026-03-02' })).toEqual([
      '2026-02-27',
      '2026-02-28',
      '2026-03-01',
      '2026-03-02',
    ])
  })
})

it('the last 24 hours begin at a whole one, and where they cannot be counted their days are', () => {
  const late = Date.parse('2026-11-21T23:30:00Z')
  expect(wholeDays({ range: '24h' }, '2026-11-21')).toEqual({ from: '2026-11-20', to: '2026-11-21' })
  expect(wholeDays({ range: '7d' }, '2026-11-21')).toEqual({ range: '7d' })
  expect(periodOf({ range: '24h' }, '2026-11-21', late)).toEqual({ since: '2026-11-21T00:00:00Z' })
  expect(periodOf({ range: 'today' }, '2026-11-21', late)).toEqual({ start: '2026-11-21', end: '2026-11-21' })
  expect(labelOf({ range: '24h' })).toBe('Last 24 hours')
  expect(labelOf({ range: '24h' }, false)).toBe('Since yesterday')
})

it('a day is the zone’s', () => {
  const late = new Date('2026-11-21T23:30:00Z')
  expect(todayIn('UTC', late)).toBe('2026-11-21')
  expect(todayIn('Asia/Tokyo', late)).toBe('2026-11-22')
})

it('days are said shortly', () => {
  expect(dayText('2026-11-21', 2026)).toBe('21 Nov')
  expect(dayText('2025-11-21', 2026)).toBe('21 Nov 2025')
  expect(labelOf({})).toBe('Last 30 days')
})

it('the moment at which a day begins', () => {
  expect(beginOf('2026-12-01', 'Europe/Berlin')).toBe('2026-11-30T23:00:00.000Z')
  expect(beginOf('2026-07-01', 'America/New_York')).toBe('2026-07-01T04:00:00.000Z')
  expect(beginOf('2026-03-29', 'Europe/Berlin')).toBe('2026-03-28T23:00:00.000Z')
  expect(beginOf('2026-03-30', 'Europe/Berlin')).toBe('2026-03-29T22:00:00.000Z')
})
