import { expect, test } from 'vitest'
import { callsOf, filtersOf, scopeOf } from './spenders'

test('the calls of each are found by its own filter', () => {
  expect(callsOf({ kind: 'team', name: 'hr' })).toEqual({ team: 'hr', kind: 'calls' })
  expect(callsOf({ kind: 'project', name: 'bot', team: 'hr' })).toEqual({
    team: 'hr',
    project: 'bot',
    kind: 'calls',
  })
})

test('a project of the default team has calls that name no team', () => {
  expect(callsOf({ kind: 'project', name: 'bot', team: 'default' })).toEqual({
    project: 'bot',
    kind: 'calls',
  })
  expect(filtersOf({ kind: 'project', name: 'bot', team: 'default' })).toContainEqual({
    dimension: 'team',
    test: 'is',
    values: ['default', null],
  })
})

test('a scope is named as budgets and policies name it', () => {
  expect(scopeOf({ kind: 'agent', name: 'crawler' })).toBe('agent:crawler')
  expect(scopeOf({ kind: 'project', name: 'bot', team: 'hr' })).toBe('project:hr/bot')
})
