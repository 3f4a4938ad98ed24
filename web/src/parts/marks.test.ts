import { expect, it } from 'vitest'
import { byBucket } from './marks'

it('what was done stands at the bucket of its day', () => {
  const marks = [
    { day: '2026-11-04', said: 'a price' },
    { day: '2026-11-10', said: 'a policy' },
    { day: '2026-11-08', said: 'a budget' },
    { day: '2026-10-30', said: 'before all of it' },
  ]
  expect([...byBucket(marks, ['2026-11-02', '2026-11-09'])]).toEqual([
    ['2026-11-02', ['a price', 'a budget']],
    ['2026-11-09', ['a policy']],
  ])
})
