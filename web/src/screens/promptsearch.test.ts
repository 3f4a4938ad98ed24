import { expect, test } from 'vitest'
import { keyOf, partOf, promptOf, promptsOf } from './promptsearch'

test('every key has a part of its own in a path, and comes back from it', () => {
  const keys = [
    'summary',
    'a/b c',
    '100%',
    '%2F',
    '~',
    '~~x',
    '.',
    '..',
    '...',
    'builder',
    '~builder',
    '日本/語',
    '?q=#&',
  ]
  expect(keys.map((key) => keyOf(partOf(key)))).toEqual(keys)
  expect(new Set(keys.map(partOf)).size).toBe(keys.length)
  expect(keys.map(partOf)).not.toContain('builder')
  expect(keys.map(partOf).every((part) => /^[\p{L}\p{N}._~-]+$/u.test(part) && !/^\.{1,2}$/.test(part))).toBe(
    true,
  )
  expect(partOf('support/summary')).toBe('support~2Fsummary')
  expect(keyOf('~F0~zz')).toBe('~F0~zz')
})

test('only what an address can mean is taken from it', () => {
  expect(promptsOf({ q: 7, new: true, sort: '-cost', range: '7d', other: 1 })).toEqual({
    q: '7',
    new: true,
    sort: '-cost',
    range: '7d',
  })
  expect(promptsOf({ q: '', new: 'yes', sort: 'a b' })).toEqual({})
  expect(promptOf({ act: 'version', sort: 'cost' })).toEqual({ act: 'version', sort: 'cost' })
  expect(promptOf({ act: 'burn' })).toEqual({})
})
