// What the addresses of the list of budgets and of one budget say.
import { flagOf, sortOf, wordsOf } from '../search'

export type BudgetsSearch = { q?: string; new?: true; sort?: string; tree?: true }

const ACTS = ['change', 'raise', 'remove', 'alerts'] as const
export type Act = (typeof ACTS)[number]
export type BudgetSearch = { act?: Act }

export function budgetsOf(search: Record<string, unknown>): BudgetsSearch {
  return { ...wordsOf(search), ...flagOf(search, 'new'), ...flagOf(search, 'tree'), ...sortOf(search) }
}

export function budgetOf(search: Record<string, unknown>): BudgetSearch {
  const act = ACTS.find((one) => one === search.act)
  return act ? { act } : {}
}
