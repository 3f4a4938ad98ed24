import { describe, expect, it } from 'vitest'
import { topOf } from './ticks'

describe('the top of an axis', () => {
  it.each([
    [15_100_000_000, 18_000_000_000],
    [1_260_000_000, 1_500_000_000],
    [4_130_000_000, 6_000_000_000],
    [30_000, 30_000],
    [7, 9],
    [3, 3],
    [0, 3],
  ])('of %d is %d: three steps of a round figure, none of a part of one', (most, top) => {
    expect(topOf(most)).toBe(top)
  })
})
