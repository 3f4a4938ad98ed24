// What the addresses of the list of envelopes and of one envelope say.
import { STATES, type State } from '../envelopes'
import { scopeOf } from '../parts/ScopeFields'
import { flagOf, sortOf, wordsOf } from '../search'

export type EnvelopesSearch = {
  q?: string
  state?: State
  sort?: string
  ask?: true
  fits?: true
  on?: string
}
const ACTS = ['sign', 'decline', 'top-up', 'move', 'fallback', 'end'] as const
export type EnvelopeAct = (typeof ACTS)[number]
export type EnvelopeSearch = { act?: EnvelopeAct }

export function envelopesOf(search: Record<string, unknown>): EnvelopesSearch {
  const { state, on } = search
  return {
    ...wordsOf(search),
    ...(typeof state === 'string' && Object.hasOwn(STATES, state) ? { state: state as State } : {}),
    ...sortOf(search),
    ...flagOf(search, 'ask'),
    ...flagOf(search, 'fits'),
    ...(typeof on === 'string' && scopeOf(on) ? { on } : {}),
  }
}

export function envelopeOf({ act }: Record<string, unknown>): EnvelopeSearch {
  const known = ACTS.find((one) => one === act)
  return known ? { act: known } : {}
}
