import { expect, it } from 'vitest'
import { entityColour } from './entity'

it('no two names of a chart look the same while there are colours', () => {
  const names = Array.from({ length: 8 }, (_, place) => `model-${place}`)
  expect(new Set(names.map((name) => entityColour('model', name))).size).toBe(8)
})

it('a name keeps its colour, and calls without one have none', () => {
  const first = entityColour('team', 'search')
  entityColour('team', 'ads')
  expect(entityColour('team', 'search')).toBe(first)
  expect(entityColour('team', null)).toBe('var(--entity-rest)')
})
