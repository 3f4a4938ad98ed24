// The roles as people read them: what each is for, and who may give which to whom (core/membership.py decides).
import type { Role } from '../session'

export const ROLE_WORDS: { [role: string]: string } = {
  owner: 'may do everything, and make other owners.',
  admin: 'runs the place: people, keys, budgets, providers, settings.',
  finance: 'sees all spend; sets budgets, prices and alerts.',
  manager: 'sees and runs their own teams: keys, budgets, people.',
  member: 'makes keys in their teams and sees what those cost.',
  auditor: 'sees everything and changes nothing.',
}

export const ROLES = Object.keys(ROLE_WORDS) as Role[]
/** These are of teams: a manager runs them, a member makes keys in them. */
export const OF_TEAMS: readonly string[] = ['manager', 'member']

/** Which roles somebody may give and take away; nobody gives more than they have. */
export function grantable(role: string): Role[] {
  if (role === 'owner') return ROLES
  if (role === 'admin') return ROLES.filter((one) => one !== 'owner')
  return role === 'manager' ? ROLES.filter((one) => OF_TEAMS.includes(one)) : []
}

/** Why this member is not for somebody to change, before they run into it; null where they may try. */
export function closedTo(mine: string, theirs: string, owners: number): string | null {
  if (!grantable(mine).includes(theirs as Role))
    return theirs === 'owner' ? 'Only an owner changes an owner.' : `A ${mine} cannot change a ${theirs}.`
  if (theirs === 'owner' && owners < 2) return 'The last owner stays: make somebody else an owner first.'
  return null
}
