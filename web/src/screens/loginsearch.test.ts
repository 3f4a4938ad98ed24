import { describe, expect, it } from 'vitest'
import { loginOf } from './loginsearch'

describe('after signing in', () => {
  it('leads to a page of this console', () => {
    expect(loginOf({ next: '/o/default/keys?ended=true' }).next).toBe('/o/default/keys?ended=true')
  })
  it.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    'javascript:alert(1)',
    '',
    7,
    undefined,
  ])('leads nowhere else: %s', (next) => {
    expect('next' in loginOf({ next })).toBe(true)
    expect(loginOf({ next }).next).toBeUndefined()
  })
})
