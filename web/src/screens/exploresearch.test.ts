import { describe, expect, it } from 'vitest'
import { added, type Filter, filterText, narrowed } from '../filters'
import { callsOf, filteredBy, filtersOf } from './callsearch'
import { amountOf, changeOf, shown } from './exploremetrics'
import {
  daysBetween,
  type ExploreSearch,
  exploreOf,
  exploreOfCalls,
  grainOf,
  grainsFor,
  groupsOf,
  metricOf,
  requestsOf,
} from './exploresearch'

const team: Filter = { dimension: 'team', test: 'is', values: ['HR', 'ML'] }
const YEAR = { start: '2026-01-01', end: '2026-12-31' }

describe('the question in an address', () => {
  it('comes back as it was written', () => {
    const asked: ExploreSearch = {
      range: 'mtd',
      kind: 'sandbox',
      metric: 'tokens',
      group: 'model',
      and: 'dimension.region',
      filters: [team, { dimension: 'user', test: 'is_not', values: [null] }],
      grain: 'week',
      compare: 'year',
      table: true,
      sort: '-requests',
    }
    expect(exploreOf(JSON.parse(JSON.stringify(asked)))).toEqual(asked)
  })

  it('leaves the defaults out', () => {
    expect(
      exploreOf({ range: '30d', kind: 'calls', metric: 'cost', group: 'team', filters: [], compare: 'none' }),
    ).toEqual({})
    expect(exploreOf({ kind: 'refused', metric: 'requests' })).toEqual({ kind: 'refused' })
    expect(metricOf({ kind: 'refused' })).toBe('requests')
    expect(groupsOf({})).toEqual(['team'])
    expect(groupsOf({ group: 'none' })).toEqual([])
  })

  it('takes nothing that the API would not', () => {
    for (const search of [
      { metric: 'constructor' },
      { group: 'dimension.' },
      { and: 'team' },
      { filters: [{ dimension: 'team', test: 'is', values: [] }] },
      { filters: [{ dimension: 'team', test: 'contains', values: [null] }] },
      { filters: [{ dimension: 'nowhere', test: 'is', values: ['a'] }] },
      { filters: 'team' },
      { grain: 'none', compare: 'ever', table: 'yes' },
    ]) {
      expect(exploreOf(search)).toEqual({})
    }
    expect(exploreOf({ group: 'none', and: 'model' })).toEqual({ group: 'none' })
    expect(exploreOf({ filters: Array(20).fill(team) }).filters).toHaveLength(12)
  })
})

describe('days', () => {
  it('of a chart that was dragged over are those of its buckets, to the end of the last', () => {
    expect(daysBetween('2026-11-03', '2026-11-05', 'day')).toEqual({ from: '2026-11-03', to: '2026-11-05' })
    expect(daysBetween('2026-11-02', '2026-11-09', 'week').to).toBe('2026-11-15')
    expect(daysBetween('2026-01-01', '2026-02-01', 'month').to).toBe('2026-02-28')
    expect(daysBetween('2026-11-03T22:00:00Z', '2026-11-04T01:00:00Z', 'hour')).toEqual({
      from: '2026-11-03',
      to: '2026-11-04',
    })
  })

  it('to compare with may be any, if it is said which', () => {
    expect(exploreOf({ compare: 'custom', against: '2026-01-01' })).toEqual({
      compare: 'custom',
      against: '2026-01-01',
    })
    expect(exploreOf({ compare: 'custom' })).toEqual({})
    expect(exploreOf({ against: '2026-01-01' })).toEqual({})
  })
})

describe('how fine', () => {
  it('is what suits the days, or what was asked for where it fits', () => {
    expect(grainOf({}, { start: '2026-11-21', end: '2026-11-21' })).toBe('hour')
    expect(grainOf({}, { start: '2026-11-01', end: '2026-11-21' })).toBe('day')
    expect(grainOf({}, YEAR)).toBe('week')
    expect(grainOf({ grain: 'month' }, YEAR)).toBe('month')
    expect(grainOf({ grain: 'hour' }, YEAR)).toBe('week')
  })

  it('is never more points than an answer holds', () => {
    expect(grainsFor({ start: '2026-11-01', end: '2026-11-16' })).toContain('hour')
    expect(grainsFor({ start: '2026-11-01', end: '2026-11-18' })).not.toContain('hour')
    expect(grainsFor(YEAR)).toEqual(['day', 'week', 'month'])
    expect(grainsFor({ start: '2001-01-01', end: '2026-12-31' })).toEqual(['month'])
  })
})

describe('filters', () => {
  it('of the same kind are one', () => {
    expect(added([team], { dimension: 'team', test: 'is', values: ['ML', 'Ops'] })).toEqual([
      { ...team, values: ['HR', 'ML', 'Ops'] },
    ])
    expect(added([team], { dimension: 'team', test: 'contains', values: ['x'] })).toHaveLength(2)
  })

  it('are narrowed to what was clicked on, or to all but that', () => {
    expect(narrowed([team], ['team', 'model'], ['ML', null])).toEqual([
      { dimension: 'team', test: 'is', values: ['ML'] },
      { dimension: 'model', test: 'is', values: [null] },
    ])
    const tagged: Filter = { dimension: 'tag', test: 'is', values: ['beta'] }
    expect(narrowed([tagged], ['tag'], ['night'])).toHaveLength(2)
    expect(narrowed([team], ['team'], ['ML'], true)).toEqual([
      team,
      { dimension: 'team', test: 'is_not', values: ['ML'] },
    ])
  })

  it('are said as people say them', () => {
    expect(filterText(team)).toBe('Team is HR, ML')
    expect(filterText({ dimension: 'user', test: 'is', values: [null] })).toBe('User is empty')
    expect(filterText({ dimension: 'dimension.region', test: 'is_not', values: [null, 'eu'] })).toBe(
      'region is not empty, eu',
    )
  })

  it('go along to the requests, all of them, each as short as it can be', () => {
    expect(requestsOf({ range: '7d', group: 'model' }, ['gpt-4o'])).toEqual({
      range: '7d',
      kind: 'calls',
      served_model: 'gpt-4o',
    })
    const asked = requestsOf({ filters: [team], group: 'user' }, [null])
    expect(asked).toEqual({
      kind: 'calls',
      filters: [team, { dimension: 'user', test: 'is', values: [null] }],
    })
    expect(filtersOf(callsOf(JSON.parse(JSON.stringify(asked))))).toEqual(asked.filters)
  })

  it('of an address of requests are the same however they are written', () => {
    const ml: Filter = { dimension: 'team', test: 'is', values: ['ML'] }
    expect(filtersOf({ team: 'ML', filters: [team] })).toEqual([ml, team])
    expect(filteredBy({ sort: '-at', team: 'HR' }, [ml])).toEqual({ sort: '-at', team: 'ML' })
    expect(filteredBy({ team: 'ML' }, [])).toEqual({})
    expect(callsOf({ filters: [{ dimension: 'nowhere', test: 'is', values: ['a'] }] })).toEqual({})
  })
})

describe('a figure', () => {
  it('is exact, and read in its unit', () => {
    const found = { cost_nanos: '9007199254740993001', value: 0.0512 } as never
    expect(amountOf(found, 'cost')).toBe(9007199254740993001n)
    expect(shown(amountOf(found, 'error_rate'), 'error_rate')).toBe('5.12 %')
    expect(shown(1_234n, 'requests')).toBe('1,234')
    expect(shown(1_234_000n, 'latency_p95')).toBe('1,234 ms')
    expect(shown(null, 'latency_p95')).toBe('–')
  })

  it('is compared in its unit and in percent', () => {
    expect(changeOf(3_000_000_000n, 2_000_000_000n, 'cost')).toEqual({
      size: 1_000_000_000n,
      by: '+$1.00',
      rate: '+50.0 %',
    })
    expect(changeOf(1n, 4n, 'requests')).toEqual({ size: -3n, by: '−3', rate: '−75.0 %' })
    expect(changeOf(1n, 0n, 'requests')?.rate).toBeNull()
    expect(changeOf(null, 0n, 'latency_p95')).toBeNull()
  })
})

describe('the way back from a list of calls', () => {
  it('asks the same', () => {
    expect(exploreOfCalls({ range: '7d', team: 'HR', kind: 'all' })).toEqual({
      range: '7d',
      filters: [{ dimension: 'team', test: 'is', values: ['HR'] }],
    })
    expect(exploreOfCalls({ kind: 'sandbox' })).toEqual({ kind: 'sandbox' })
    expect(exploreOfCalls({ filters: [team] })).toEqual({ filters: [team] })
  })
})
