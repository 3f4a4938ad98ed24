import { expect, test } from 'vitest'
import type { Budget } from './api/types.gen'
import { treeOf } from './budgettree'

const budget = (id: number, scope: string, value: string) => ({ id, scope, value }) as unknown as Budget

test('budgets stand under what they lie in', () => {
  const homes = new Map([['key_1', { team: 'search', project: 'web', name: 'the site' }]])
  const leaves = treeOf(
    [
      budget(1, 'project', 'search/web'),
      budget(2, 'team', 'ads'),
      budget(3, 'key', 'key_1'),
      budget(4, 'user', '*'),
      budget(5, 'team', 'ads'),
      budget(6, 'key', 'key_gone'),
      budget(7, 'cost_center', '4711'),
    ],
    homes,
  )
  expect(leaves.map(({ depth, title, budget: of }) => [depth, title, of?.id ?? null])).toEqual([
    [0, 'The whole organisation', null],
    [1, 'ads', 2],
    [1, 'ads', 5],
    [1, 'search', null],
    [2, 'web', 1],
    [3, 'key the site', 3],
    [0, 'Across teams', null],
    [1, 'Cost centre 4711', 7],
    [1, 'Key key_gone', 6],
    [1, 'Each user', 4],
  ])
  expect(new Set(leaves.map((leaf) => leaf.id)).size).toBe(leaves.length)
})
