import { describe, expect, it } from 'vitest'
import { exactSum, figure, full, length, money, nanosOf, nanosOfDollars, percent, places, sum } from './money'

describe('an amount at a glance', () => {
  it.each([
    ['0', '0.00'],
    ['1', '<0.000001'],
    ['500', '<0.000001'],
    ['501', '0.000001'],
    ['1500', '0.000002'],
    ['2500', '0.000002'],
    ['42000', '0.000042'],
    ['123456789', '0.123457'],
    ['100000000', '0.10'],
    ['999999499', '0.999999'],
    ['999999500', '1.00'],
    ['1000000000', '1.00'],
    ['1005000000', '1.00'],
    ['1015000000', '1.02'],
    ['1234567890123', '1,234.57'],
    ['-1500000000', '−1.50'],
    ['-42000', '−0.000042'],
  ])('%s nanos', (nanos, shown) => {
    expect(figure(nanos)).toBe(shown)
  })

  it('keeps every digit of more money than a floating-point number can count', () => {
    expect(figure('9007199254740993123456789')).toBe('9,007,199,254,740,993.12')
    expect(full('9007199254740993123456789')).toBe('$9,007,199,254,740,993.123456789')
  })
})

describe('an amount in full', () => {
  it('has all nine decimals where they say something', () => {
    expect(full('1204500000042')).toBe('$1,204.500000042')
    expect(full('1')).toBe('$0.000000001')
    expect(full('-2000000000')).toBe('−$2.00')
  })

  it('is what the API says in dollars', () => {
    for (const text of ['0.000000001', '12', '-3.5', '1204.500000042']) {
      expect(full(nanosOfDollars(text)).replace(/[$,]/g, '').replace('−', '-')).toMatch(
        new RegExp(`^${text.replace('.', '\\.')}`),
      )
    }
    expect(() => nanosOfDollars('1e-9')).toThrow(RangeError)
    expect(() => nanosOfDollars('0.0000000001')).toThrow(RangeError)
  })
})

it('signs come before the currency', () => {
  expect(money('-1500000000')).toBe('−$1.50')
  expect(money('0')).toBe('$0.00')
})

it('shares are of the whole, and of nothing there are none', () => {
  expect(percent('1', '3')).toBe('33.3 %')
  expect(percent('2', '3')).toBe('66.7 %')
  expect(percent('3', '3')).toBe('100.0 %')
  expect(percent('0', '0')).toBeNull()
})

it('sums are exact', () => {
  expect(sum(['9007199254740993', '1', 2n])).toBe(9007199254740996n)
  expect(nanosOf('007')).toBe(7n)
  expect(length('1500000000')).toBe(1.5)
})

it('lines add up whatever their digits', () => {
  expect(exactSum(['0.1', '0.2'])).toBe('0.3')
  expect(exactSum(['0.00000000125', '12', '-0.5'])).toBe('11.50000000125')
  expect(exactSum([])).toBe('0')
  expect(() => exactSum(['1e-9'])).toThrow(RangeError)
})

it('a column has as many decimals as its longest amount', () => {
  expect(places(['1500000000', '42000', '0'])).toBe(6)
  expect(places(['1500000000'])).toBe(2)
  expect(places([])).toBe(0)
})
