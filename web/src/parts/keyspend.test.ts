import { describe, expect, it } from 'vitest'
import type { Budget } from '../api/types.gen'
import { capsOf } from './keyspend'

const budget = (id: number, scope: string, value: string, used: [string, number | null][]) =>
  ({
    id,
    scope,
    value,
    nodes: used.map(([subject, used_percent]) => ({ subject, used_percent, holders: [] })),
  }) as unknown as Budget

describe('the cap of a key', () => {
  it('is the fullest of the budgets on it alone, and empty before its first call', () => {
    const caps = capsOf([
      budget(1, 'key', '*', [
        ['a', 90],
        ['b', 10],
      ]),
      budget(2, 'key', 'b', [['b', 40]]),
      budget(3, 'key', 'c', []),
      budget(4, 'team', 'd', [['d', 99]]),
    ])
    expect(caps.get('a')).toEqual({ budget: '1', used_percent: 90 })
    expect(caps.get('b')).toEqual({ budget: '2', used_percent: 40 })
    expect(caps.get('c')).toEqual({ budget: '3', used_percent: 0 })
    expect(caps.get('d')).toBeUndefined()
  })
})
