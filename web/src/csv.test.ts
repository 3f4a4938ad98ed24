import { expect, it } from 'vitest'
import { csvOf } from './csv'

it('cells are told apart whatever they hold', () => {
  expect(
    csvOf(
      ['a', 'b'],
      [
        ['x,"y"', null],
        ['two\nlines', 3],
      ],
    ),
  ).toBe('a,b\r\n"x,""y""",\r\n"two\nlines",3\r\n')
})

it('no cell is a formula, and amounts below zero stay numbers', () => {
  expect(csvOf(['a'], [['=1+1'], ['-0.5'], ['@x'], ['-cmd']])).toBe("a\r\n'=1+1\r\n-0.5\r\n'@x\r\n'-cmd\r\n")
})
