// Budgets as a tree: the organisation, its teams, their projects, their keys, and what lies across all of them. A step that has
// no budget of its own stands there all the same where something beneath it has one.
import type { Budget } from './api/types.gen'
import { KINDS, type Kind } from './budgets'

export type Leaf = { id: string; depth: number; title: string; budget: Budget | null }
/** Where a key belongs. */
export type Home = { team: string | null; project: string | null; name: string }

type Step = { title: string; budgets: Budget[]; under: Map<string, Step> }

const step = (title: string): Step => ({ title, budgets: [], under: new Map() })

function at(parent: Step, name: string, title = name): Step {
  const found = parent.under.get(name) ?? step(title)
  parent.under.set(name, found)
  return found
}

export function treeOf(budgets: readonly Budget[], homes: ReadonlyMap<string, Home>): Leaf[] {
  const root = step('The whole organisation')
  const others = step('Across teams')
  for (const budget of budgets) placeOf(budget, root, others, homes).budgets.push(budget)
  const leaves = leavesOf(root, 0, 'org')
  return others.under.size ? [...leaves, ...leavesOf(others, 0, 'others')] : leaves
}

function placeOf({ scope, value }: Budget, root: Step, others: Step, homes: ReadonlyMap<string, Home>): Step {
  if (scope === 'org') return root
  if (value !== '*') {
    if (scope === 'team') return at(root, value)
    if (scope === 'project') {
      const [team = '', ...project] = value.split('/')
      return at(at(root, team), project.join('/'))
    }
    const home = scope === 'key' ? homes.get(value) : undefined
    if (home) {
      const team = home.team ? at(root, home.team) : root
      return at(home.project ? at(team, home.project) : team, `key ${value}`, `key ${home.name}`)
    }
  }
  return at(
    others,
    `${scope} ${value}`,
    value === '*' ? `Each ${scope.replace('_', ' ')}` : `${kindText(scope)} ${value}`,
  )
}

const kindText = (scope: string) =>
  (KINDS[scope as Kind] ?? scope).replace(/^(A|An) /, '').replace(/^./, (first) => first.toUpperCase())

/** A step with several budgets (a day's, a month's) has a line each. */
function leavesOf({ title, budgets, under }: Step, depth: number, id: string): Leaf[] {
  const own: Leaf[] = budgets.length
    ? budgets.map((budget) => ({ id: String(budget.id), depth, title, budget }))
    : [{ id, depth, title, budget: null }]
  const names = [...under.keys()].sort((a, b) => a.localeCompare(b))
  return [...own, ...names.flatMap((name) => leavesOf(under.get(name) as Step, depth + 1, `${id}/${name}`))]
}
