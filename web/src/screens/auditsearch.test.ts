import { expect, it } from 'vitest'
import { millis } from './auditsearch'

it('tells a time in thousandths of a second, exactly', () => {
  expect(millis(359_917)).toBe('359.917 ms')
  expect(millis(1_234_500)).toBe('1,234.5 ms')
  expect(millis(2_000)).toBe('2 ms')
  expect(millis(70)).toBe('0.07 ms')
  expect(millis(0)).toBe('0 ms')
})
