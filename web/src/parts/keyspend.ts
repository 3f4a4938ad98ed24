// Keys with what they cost in some days, and how full the cap of each is.
import { getBudgets, getExplore } from '../api/sdk.gen'
import type { Budget, Key } from '../api/types.gen'
import type { Days } from '../range'

/** The fullest budget on this key alone. */
export type Cap = { budget: string; used_percent: number | null }
export type SpentKey = Key & { cost_nanos: string; requests: number; cap: Cap | null }

// As many groups as one answer tells.
const AT_ONCE = 50
// Of so many budgets the fullest ones of each key are looked for.
const PAGE = 200
const PAGES_MAX = 10

export async function withSpend(keys: readonly Key[], days: Days): Promise<SpentKey[]> {
  const batches = Array.from({ length: Math.ceil(keys.length / AT_ONCE) }, (_, place) =>
    keys.slice(place * AT_ONCE, (place + 1) * AT_ONCE).map((key) => key.id),
  )
  const [caps, ...answers] = await Promise.all([
    capsOfKeys(),
    ...batches.map(async (ids) => {
      const filters = JSON.stringify([{ dimension: 'key', test: 'is', values: ids }])
      return (
        await getExplore({
          query: { ...days, group: ['key'], grain: 'none', top: AT_ONCE, filters },
          throwOnError: true,
        })
      ).data.series
    }),
  ])
  const spent = new Map(answers.flat().map((one) => [one.names[0], one]))
  return keys.map((key) => {
    const { cost_nanos = '0', requests = 0 } = spent.get(key.id) ?? {}
    return { ...key, cost_nanos, requests, cap: caps.get(key.id) ?? null }
  })
}

async function capsOfKeys(): Promise<Map<string, Cap>> {
  const all: Budget[] = []
  let cursor: string | null | undefined
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const found = (
      await getBudgets({ query: { limit: PAGE, ...(cursor ? { cursor } : {}) }, throwOnError: true })
    ).data
    all.push(...found.items)
    cursor = found.next_cursor
    if (!cursor) break
  }
  return capsOf(all)
}

/** By key; one that nothing was counted in yet is empty. */
export function capsOf(budgets: readonly Budget[]): Map<string, Cap> {
  const caps = new Map<string, Cap>()
  const put = (key: string, cap: Cap) => {
    const there = caps.get(key)
    if (!there || (there.used_percent ?? 0) < (cap.used_percent ?? 0)) caps.set(key, cap)
  }
  for (const budget of budgets.filter((one) => one.scope === 'key')) {
    const id = String(budget.id)
    if (budget.value !== '*') put(budget.value, { budget: id, used_percent: 0 })
    for (const node of budget.nodes) put(node.subject, { budget: id, used_percent: node.used_percent })
  }
  return caps
}
