import { expect, it } from 'vitest'
import { clockZone, prefer, tasteOf } from './taste'

it('a taste is kept as far as it is one', () => {
  expect(tasteOf({ clock: 'utc', density: 'compact' })).toEqual({ clock: 'utc', density: 'compact' })
  for (const said of [null, 7, { clock: 'constructor', density: 3 }])
    expect(tasteOf(said)).toEqual({ clock: 'organization', density: 'comfortable' })
})

it('moments are told by the clock that somebody chose', () => {
  Object.assign(globalThis, { document: { documentElement: { dataset: {} } } })
  expect(clockZone('Asia/Tokyo')).toBe('Asia/Tokyo')
  prefer({ clock: 'utc' })
  expect(clockZone('Asia/Tokyo')).toBe('UTC')
  prefer({ clock: 'browser' })
  expect(clockZone('Asia/Tokyo')).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone)
})
