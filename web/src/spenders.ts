// Teams, projects, users and agents as pages speak of them: four kinds of the same thing, somebody on whose account calls
// are made.
import type { SpenderShown as Spender } from './api/types.gen'
import type { Filter } from './filters'
import type { CallSearch } from './screens/callsearch'

export type Kind = 'team' | 'project' | 'user' | 'agent'

export const KINDS = {
  team: {
    one: 'Team',
    many: 'Teams',
    question: 'Which teams spend what, and who is close to a limit?',
    own: 'What does this team spend, on what, and what is left?',
  },
  project: {
    one: 'Project',
    many: 'Projects',
    question: 'What does each project cost, and whose is it?',
    own: 'What does this project cost, and what for?',
  },
  user: {
    one: 'User',
    many: 'Users',
    question: 'Who makes the calls, and what do they cost?',
    own: 'What do this user’s calls cost, and what is left?',
  },
  agent: {
    one: 'Agent',
    many: 'Agents',
    question: 'What do programs that act by themselves cost?',
    own: 'What does a run of this agent cost, and what stops it?',
  },
} as const satisfies Record<Kind, { one: string; many: string; question: string; own: string }>

/** Who it is: a project is one of its team. */
export type Whose = { kind: Kind; name: string; team?: string | undefined }

// What a call without a team is booked on, where its key names a project.
const DEFAULT_TEAM = 'default'

/** The list of requests of its calls. */
export function callsOf({ kind, name, team }: Whose): CallSearch {
  const theirs = kind === 'project' && team && team !== DEFAULT_TEAM ? { team } : {}
  return { ...theirs, [kind]: name, kind: 'calls' }
}

/** What narrows the explorer, and every figure of its page, down to its calls. */
export function filtersOf({ kind, name, team }: Whose): Filter[] {
  const own: Filter = { dimension: kind, test: 'is', values: [name] }
  if (kind !== 'project' || !team) return [own]
  return [own, { dimension: 'team', test: 'is', values: team === DEFAULT_TEAM ? [team, null] : [team] }]
}

/** A scope as budgets and policies name it: `team:search`, `project:search/web`. */
export function scopeOf({ kind, name, team }: Whose): string {
  return kind === 'project' ? `project:${team ?? DEFAULT_TEAM}/${name}` : `${kind}:${name}`
}

export const whoseOf = (kind: Kind, one: Pick<Spender, 'name' | 'team'>): Whose => ({
  kind,
  name: one.name,
  team: one.team ?? undefined,
})
