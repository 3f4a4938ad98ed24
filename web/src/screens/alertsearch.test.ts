import { describe, expect, it } from 'vitest'
import type { Alert } from '../api/types.gen'
import { alertsOf, gravity, nanosOfFact, pointedAt, scopeOf, standingOf, wanted } from './alertsearch'
import { scopesOf, valuesOf } from './channelform'

const alert: Alert = {
  id: 17,
  kind: 'budget_threshold',
  thread: 'budget/3',
  mark: '80%/1',
  severity: 'warning',
  title: 'Budget of team search: 80% used',
  text: '$400 of $500 are spent.',
  facts: { unit: 'money', limit: 500, used_percent: 80 },
  path: '/api/budgets/3',
  raised_at: '2026-11-21T10:00:00Z',
  resolved_at: null,
  resolution: null,
  scopes: ['project:search/web', 'team:search'],
  acknowledged_at: null,
  acknowledged_by: null,
  note: null,
}
const seen: Alert = { ...alert, acknowledged_at: '2026-11-21T10:05:00Z' }
const over: Alert = { ...seen, resolved_at: '2026-11-21T10:09:00Z' }

describe('the inbox in an address', () => {
  it('comes back as it was written, without its defaults', () => {
    const asked = { show: 'resolved', severity: 'critical', q: 'search', sort: '-raised' }
    expect(alertsOf(asked)).toEqual(asked)
    expect(alertsOf({ show: 'open', q: '' })).toEqual({})
    expect(alertsOf({ show: 'constructor', severity: 'grave', sort: 'a b' })).toEqual({})
    expect(alertsOf({ q: 17 })).toEqual({ q: '17' })
  })

  it('asks for what stands there', () => {
    expect([alert, seen, over].map(standingOf)).toEqual(['open', 'acknowledged', 'resolved'])
    expect([alert, seen, over].map((one) => wanted(one, {}))).toEqual([true, false, false])
    expect(wanted(seen, { show: 'acknowledged', severity: 'warning', q: ' Project SEARCH' })).toBe(true)
    expect(wanted(alert, { severity: 'critical' })).toBe(false)
    expect(wanted(alert, { q: 'support' })).toBe(false)
  })
})

describe('an alert', () => {
  it('is somebody’s, and as grave as it says', () => {
    expect(scopeOf(alert)).toBe('project search/web')
    expect(scopeOf({ ...alert, scopes: [] })).toBe('')
    expect(scopeOf({ ...alert, scopes: ['org'] })).toBe('the organisation')
    expect(gravity('critical')).toBeGreaterThan(gravity('warning'))
    expect(gravity('warning')).toBeGreaterThan(gravity('info'))
  })

  it('leads to what it is about', () => {
    expect(pointedAt(alert.path)).toEqual({ screen: 'budgets', id: '3' })
    expect(pointedAt('/api/keys/CzqC3i1o9Fo')).toEqual({ screen: 'keys', id: 'CzqC3i1o9Fo' })
    expect(pointedAt('/api/prices/overrides')).toEqual({ screen: 'prices' })
    expect(pointedAt('/api/requests?kind=refused')).toEqual({ screen: 'requests', refused: true })
    expect(pointedAt('/api/requests')).toEqual({ screen: 'requests', refused: false })
    for (const path of ['', null, '/api/budgets', '/api/elsewhere/3', 'https://example.org/api/budgets/3'])
      expect(pointedAt(path)).toBe(null)
  })

  it('has amounts only where its facts are of money, and only exact ones', () => {
    expect(nanosOfFact('limit', alert.facts)).toBe(500n)
    expect(nanosOfFact('used_percent', alert.facts)).toBe(null)
    expect(nanosOfFact('limit', { unit: 'tokens', limit: 500 })).toBe(null)
    expect(nanosOfFact('limit', { unit: 'money', limit: 2 ** 60 })).toBe(null)
    expect(nanosOfFact('left_nanos', { left_nanos: '1152921504606846977' })).toBe(1152921504606846977n)
  })
})

describe('a channel as its form says it', () => {
  it('has the fields of its kind that are not empty', () => {
    const said: Record<string, string> = {
      url: ' https://example.com/in ',
      secret: '',
      to: 'ops@example.com',
    }
    expect(valuesOf('webhook', (name) => said[name] ?? '')).toEqual({ url: 'https://example.com/in' })
    expect(valuesOf('email', (name) => said[name] ?? '')).toEqual({ to: 'ops@example.com' })
  })

  it('is of several scopes, or of all', () => {
    expect(scopesOf('team:search, project:search/web,')).toEqual(['team:search', 'project:search/web'])
    expect(scopesOf(' ')).toEqual([])
  })
})
