// What the addresses of the screens about policies say.
import { scopeOf } from '../parts/ScopeFields'
import { POLICY_KINDS } from '../policies'
import { flagOf, sortOf, wordsOf } from '../search'

export type PoliciesSearch = { q?: string; sort?: string; bypass?: true }
export type PolicyAct = 'remove' | 'bypass'
export type PolicySearch = { act?: PolicyAct }
/** `kind` of a new one, `id` of one that is changed, `days` that it is tried on. */
export type EditorSearch = { kind?: string; id?: number; on?: string; days?: number }
export type StopSearch = { on?: string }
export type BenchSearch = { key?: string }

export const DAYS = [7, 30, 90] as const

export function policiesOf(search: Record<string, unknown>): PoliciesSearch {
  return {
    ...wordsOf(search),
    ...sortOf(search),
    ...flagOf(search, 'bypass'),
  }
}

export function policyOf({ act }: Record<string, unknown>): PolicySearch {
  return act === 'remove' || act === 'bypass' ? { act } : {}
}

export function editorOf({ kind, id, on, days }: Record<string, unknown>): EditorSearch {
  return {
    ...(POLICY_KINDS.some((known) => known.kind === kind) ? { kind: kind as string } : {}),
    ...(Number.isSafeInteger(id) && (id as number) > 0 ? { id: id as number } : {}),
    ...stopOf({ on }),
    ...(DAYS.some((known) => known === days) && days !== DAYS[0] ? { days: days as number } : {}),
  }
}

export function stopOf({ on }: Record<string, unknown>): StopSearch {
  return typeof on === 'string' && scopeOf(on) ? { on } : {}
}

export function benchOf({ key }: Record<string, unknown>): BenchSearch {
  return typeof key === 'string' && key ? { key } : {}
}
