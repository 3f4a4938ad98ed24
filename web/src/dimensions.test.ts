import { expect, test } from 'vitest'
import { fixedOn, headerOf, shareText, titleOf } from './dimensions'

test('a dimension is called by its title, one of one’s own by its name', () => {
  expect(titleOf('cost_center')).toBe('Cost centre')
  expect(titleOf('dimension:region')).toBe('region')
})

test('callers say it in a header', () => {
  expect(headerOf('cost_center')).toBe('X-Tallystick-Cost-Center')
  expect(headerOf('dimension:region')).toBe('X-Tallystick-Dimension-Region')
})

test('a key keeps what it fixes already', () => {
  expect(fixedOn('dimension:region', 'eu', { ship: 'x' })).toEqual({
    dimensions: { ship: 'x', region: 'eu' },
  })
  expect(fixedOn('user', 'ann', { ship: 'x' })).toEqual({ user: 'ann' })
})

test('what is not quite all is not called all', () => {
  expect(shareText(0.9999)).toBe('99.9 %')
  expect(shareText(1)).toBe('100.0 %')
  expect(shareText(null)).toBe('–')
})
