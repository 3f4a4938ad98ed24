import { describe, expect, it } from 'vitest'
import type { Budget, Node, OneBudget } from './api/types.gen'
import {
  amountOf,
  barOf,
  callsOf,
  fullest,
  limitSet,
  limitText,
  nameOf,
  paceOf,
  shareOf,
  spentBy,
  standingOf,
  toldOf,
} from './budgets'
import { todayIn } from './range'
import { budgetOf, budgetsOf } from './screens/budgetsearch'

const node = (subject: string, spent: string, held: string, free: string) =>
  ({ subject, spent_nanos: spent, held_nanos: held, remaining_nanos: free, holders: [] }) as unknown as Node
const budget = (more: object) =>
  ({
    unit: 'money',
    scope: 'user',
    value: '*',
    name: '',
    raises: [],
    nodes: [],
    ...more,
  }) as unknown as Budget

describe('how fast a budget goes', () => {
  const day = (of: number) => new Date(Date.UTC(2026, 10, of)).toISOString()
  const month = budget({ window_start: day(1), resets_at: day(31) })
  const stands = { limit: 100n, spent: 40n, held: 50n, free: 10n }
  it('is 1 where it lasts just to the end, and held money is not gone', () => {
    expect(paceOf(month, stands, Date.parse(day(13)))).toEqual({ times: 1, spent: 40, over: 40 })
    expect(paceOf(month, stands, Date.parse(day(7)))?.times).toBe(2)
    expect(paceOf(month, { ...stands, spent: 0n }, Date.parse(day(13)))?.times).toBe(0)
  })
  it('is not told of a window that began a moment ago, or of none', () => {
    expect(paceOf(month, stands, Date.parse(day(2)))).toBeNull()
    expect(paceOf(budget({ window_start: day(1), resets_at: null }), stands)).toBeNull()
  })
})

describe('how a budget stands', () => {
  it('is exact beyond what a number holds', () => {
    const large = budget({ limit_nanos: '9007199254740993001' })
    expect(standingOf(large, node('a', '9007199254740993', '1', '7'))).toEqual({
      limit: 9007199254740993001n,
      spent: 9007199254740993n,
      held: 1n,
      free: 7n,
    })
    expect(amountOf('tokens', { limit_tokens: 12 }, 'limit')).toBe(12n)
  })
  it('has all of its limit free where nothing was counted yet', () => {
    expect(standingOf(budget({ limit_nanos: '5' }))).toEqual({ limit: 5n, spent: 0n, held: 0n, free: 5n })
  })
  it('of a template is that of who has least left', () => {
    const each = budget({ limit_nanos: '10', nodes: [node('a', '1', '0', '9'), node('b', '9', '3', '-2')] })
    expect(fullest(each)?.subject).toBe('b')
    expect(fullest(budget({}))).toBeUndefined()
  })
  it('as told by a refusal is in dollars', () => {
    expect(toldOf('money', { spent_usd: '0.000000042' }, 'spent')).toBe(42n)
    expect(toldOf('calls', { spent_calls: '3' }, 'spent')).toBe(3n)
    expect(toldOf('money', {}, 'spent')).toBeNull()
  })
})

describe('a bar', () => {
  it.each([
    [10n, 4n, 3n, 40, 30],
    [10n, 8n, 9n, 80, 20],
    [10n, 15n, 3n, 100, 0],
    [0n, 0n, 0n, 100, 0],
  ])('of %d with %d spent and %d held stays within its limit', (limit, spent, held, first, second) => {
    expect(barOf({ limit, spent, held, free: 0n })).toEqual({ spent: first, held: second })
  })
  it('has a share of one decimal, cut and never rounded up to full', () => {
    expect(shareOf(99_999n, 100_000n)).toBe(99.9)
  })
})

describe('what is said of one', () => {
  it('is its name, or what it is on', () => {
    expect(nameOf(budget({ name: 'October' }))).toBe('October')
    expect(nameOf(budget({}))).toBe('each user')
    expect(nameOf(budget({ scope: 'cost_center', value: '7' }))).toBe('cost center 7')
  })
  it('is the limit that was set, whatever it is raised to', () => {
    const raises = [{ until: '', amount_nanos: '1000000000' }]
    expect(limitSet(budget({ limit_nanos: '1000000300', raises }))).toBe('0.0000003')
    expect(limitSet(budget({ limit_nanos: '500000000000' }))).toBe('500')
    expect(limitSet(budget({ unit: 'calls', limit_calls: 10 }))).toBe('10')
    expect(limitSet(budget({ limit_nanos: '1', currency: 'EUR', limit_in_currency: '500' }))).toBe('500 EUR')
  })
  it('is a limit as the API reads it', () => {
    expect(limitText(' 500 EUR ', 'money')).toBe('500 EUR')
    expect(limitText('2m', 'tokens')).toBe('2m tokens')
  })
  it('leads to the calls that it counts, where the list of them knows the filter', () => {
    expect(callsOf('project', 'hr/bot')).toEqual({ team: 'hr', project: 'bot' })
    expect(callsOf('model', 'gpt-4o')).toEqual({ requested_model: 'gpt-4o' })
    expect(callsOf('tag', 'a=b')).toBeNull()
  })
  it('leads to the calls of its window, where that is made of the organisation’s days', () => {
    const of = (more: object) =>
      budget({
        scope: 'team',
        value: 'hr',
        window: 'month',
        zone: 'UTC',
        window_start: '2026-11-01T00:00:00Z',
        ...more,
      }) as OneBudget
    const days = { from: '2026-11-01', to: todayIn('UTC') }
    expect(spentBy(of({}), 'hr', 'UTC')).toEqual({ team: 'hr', ...days, kind: 'calls' })
    expect(spentBy(of({}), 'hr', 'Asia/Tokyo')).toEqual({ team: 'hr', kind: 'calls' })
    expect(spentBy(of({ window: 'hour' }), 'hr', 'UTC')).toEqual({ team: 'hr', kind: 'calls' })
    expect(spentBy(of({ scope: 'tag' }), 'a=b', 'UTC')).toBeNull()
  })
})

describe('the address', () => {
  it('says what is looked for, the order and the open dialog, and nothing else', () => {
    expect(budgetsOf({ q: 'hr', sort: '-used', new: true, other: 1 })).toEqual({
      q: 'hr',
      sort: '-used',
      new: true,
    })
    expect(budgetsOf({ q: '', sort: 'a b', new: 'yes' })).toEqual({})
    expect(budgetOf({ act: 'raise' })).toEqual({ act: 'raise' })
    expect(budgetOf({ act: 'burn' })).toEqual({})
  })
})
