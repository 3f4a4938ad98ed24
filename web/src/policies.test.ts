import { expect, test } from 'vitest'
import {
  filledOf,
  inOrder,
  kindOf,
  onText,
  POLICY_KINDS,
  parametersOf,
  saidOf,
  since,
  Unreadable,
} from './policies'

const PARAMETERS = {
  kill: { reason: 'leaked', now: true },
  addresses: { allow: ['10.0.0.0/8'] },
  hours: { closed: ['mon-fri 08:00-18:00'], zone: 'Europe/Berlin' },
  model_access: { allow_models: ['gpt-4o*', 'claude-haiku-*'] },
  required_dimensions: { require: ['user'], verified: true, allowed: { environment: ['prod', 'dev'] } },
  delegation: { dimensions: ['user'] },
  downgrade: { at_percent: 80, models: { 'gpt-4o*': 'gpt-4o-mini' } },
  request_size: { output_tokens_max: 2000, clamp: true },
  default_output: { output_tokens: 500 },
  reasoning: { effort_max: 'low' },
  expensive: { confirm_above_usd: '2.50' },
  rates: { requests: 5, window: 'minute' },
  session_caps: { calls: 50, usd: '2' },
  failover: { credentials: ['second'], on: ['rate_limit'] },
} as const

test('what a form is filled with is what it says', () => {
  expect(Object.keys(PARAMETERS)).toEqual(POLICY_KINDS.map((one) => one.kind))
  for (const [kind, parameters] of Object.entries(PARAMETERS))
    expect(parametersOf(kindOf(kind), filledOf(kindOf(kind), parameters))).toEqual(parameters)
})

test('what cannot be read is told by the field', () => {
  const wrong = (kind: string, name: string, said: string) => () =>
    parametersOf(kindOf(kind), {
      ...filledOf(kindOf(kind), PARAMETERS[kind as keyof typeof PARAMETERS]),
      [name]: said,
    })
  expect(wrong('rates', 'requests', '5.5')).toThrow('Calls: a whole number.')
  expect(wrong('expensive', 'confirm_above_usd', '2,50')).toThrow(Unreadable)
  expect(wrong('downgrade', 'models', 'gpt-4o-mini')).toThrow('not of the form')
  expect(wrong('downgrade', 'models', 'a = b, c')).toThrow('one cheaper model')
  expect(wrong('downgrade', 'at_percent', ' ')).toThrow('From: say something.')
  expect(parametersOf(kindOf('expensive'), { confirm_above_usd: '$2.50' })).toEqual({
    confirm_above_usd: '2.50',
  })
})

test('a policy in words', () => {
  expect(saidOf('downgrade', PARAMETERS.downgrade)).toEqual([
    'From: 80 % of the budget',
    'Instead of: gpt-4o* → gpt-4o-mini',
  ])
  expect(saidOf('required_dimensions', PARAMETERS.required_dimensions)).toEqual([
    'Must be said: user',
    'Allowed values: environment: prod or dev',
    'Only as fixed on the key',
  ])
  expect(saidOf('newer', { at: 3 })).toEqual(['at: 3'])
  expect(onText('team:search')).toBe('team search')
  expect(onText('tag:release=1:2')).toBe('tag release=1:2')
  expect(onText('user:*')).toBe('each user')
})

test('the order in which calls meet them', () => {
  const of = (id: number, kind: string) => ({ id, kind })
  const sorted = inOrder([
    of(4, 'rates'),
    of(3, 'hours'),
    of(2, 'hours'),
    of(1, 'from tomorrow'),
    of(5, 'kill'),
  ])
  expect(sorted.map((one) => one.id)).toEqual([5, 2, 3, 4, 1])
})

test('how long it is going on', () => {
  const now = Date.parse('2026-11-21T12:00:00Z')
  expect(since('2026-11-21T11:59:30Z', now)).toBe('just now')
  expect(since('2026-11-21T11:46:00Z', now)).toBe('14 min ago')
  expect(since('2026-11-21T03:00:00Z', now)).toBe('9 h ago')
  expect(since('2026-11-18T12:00:00Z', now)).toBe('3 days ago')
})
