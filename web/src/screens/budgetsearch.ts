// What the addresses of the list of budgets and of one budget say.
export type BudgetsSearch = { q?: string; new?: true; sort?: string }

const ACTS = ['change', 'raise', 'remove'] as const
export type Act = (typeof ACTS)[number]
export type BudgetSearch = { act?: Act }

export function budgetsOf(search: Record<string, unknown>): BudgetsSearch {
  return {
    ...(search.q !== undefined && search.q !== '' ? { q: String(search.q) } : {}),
    ...(search.new === true ? { new: true as const } : {}),
    ...(typeof search.sort === 'string' && /^-?\w+$/.test(search.sort) ? { sort: search.sort } : {}),
  }
}

export function budgetOf(search: Record<string, unknown>): BudgetSearch {
  const act = ACTS.find((one) => one === search.act)
  return act ? { act } : {}
}
