import { describe, expect, it } from 'vitest'
import { closedTo, grantable, ROLES } from './roles'

describe('roles', () => {
  it('nobody gives more than they have', () => {
    expect(grantable('owner')).toEqual(ROLES)
    expect(grantable('admin')).not.toContain('owner')
    expect(grantable('manager')).toEqual(['manager', 'member'])
    for (const role of ['finance', 'member', 'auditor']) expect(grantable(role)).toEqual([])
  })

  it('says why before somebody runs into it', () => {
    expect(closedTo('admin', 'owner', 2)).toMatch(/Only an owner/)
    expect(closedTo('owner', 'owner', 1)).toMatch(/last owner/)
    expect(closedTo('owner', 'owner', 2)).toBeNull()
    expect(closedTo('manager', 'admin', 1)).toMatch(/cannot change/)
    expect(closedTo('manager', 'member', 1)).toBeNull()
  })
})
