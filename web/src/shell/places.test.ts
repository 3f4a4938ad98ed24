import { describe, expect, it } from 'vitest'
import { GROUPS, groupsOf, PLACES, placeAt, placesOf } from './places'

describe('the places of the navigation', () => {
  it('have a key each, and an address each', () => {
    expect(new Set(PLACES.map((place) => place.keys)).size).toBe(PLACES.length)
    expect(new Set(PLACES.map((place) => place.to)).size).toBe(PLACES.length)
    for (const { keys } of PLACES) expect(keys).toMatch(/^[a-fh-z]$/)
  })

  it('stand together with those of their group', () => {
    const groups = PLACES.map((place) => place.group)
    const runs = groups.filter((group, place) => group !== groups[place - 1])
    expect(runs).toEqual(Object.keys(GROUPS).filter((group) => (groups as string[]).includes(group)))
  })

  it('are those that a role has something to do at', () => {
    const names = (role: string) => placesOf(role).map((place) => place.name)
    expect(names('owner')).toContain('Alerts')
    expect(names('member')).not.toContain('Alerts')
    expect(names('finance')).not.toContain('Keys')
    expect(groupsOf('owner').flatMap((group) => group.places)).toEqual(placesOf('owner'))
  })

  it('are where their details are too, and nowhere else', () => {
    expect(placeAt('/o/acme/requests/req_1', 'acme', 'owner')?.name).toBe('Requests')
    expect(placeAt('/o/acme/requestsfoo', 'acme', 'owner')).toBeUndefined()
  })
})
