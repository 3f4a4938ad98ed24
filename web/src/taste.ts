// How somebody likes to read: rows close together or not, and by which clock. Kept in this browser, like light and dark; what
// a page shows is in its address and not here. Days are always the organisation's: figures are booked by them.
import { useSyncExternalStore } from 'react'

export const CLOCKS = { organization: 'The organisation’s', utc: 'UTC', browser: 'This browser’s' } as const
export const DENSITIES = { comfortable: 'Comfortable', compact: 'Compact' } as const
export type Clock = keyof typeof CLOCKS
export type Density = keyof typeof DENSITIES
type Taste = { clock: Clock; density: Density }

const KEPT = 'tallystick-taste'
const PLAIN: Taste = { clock: 'organization', density: 'comfortable' }
const listeners = new Set<() => void>()
let taste = PLAIN

export function remembered(): void {
  try {
    taste = tasteOf(JSON.parse(localStorage.getItem(KEPT) ?? '{}'))
  } catch {
    // A browser that keeps nothing shows it plain.
  }
  document.documentElement.dataset.density = taste.density
}

export function tasteOf(said: unknown): Taste {
  const { clock, density } = (typeof said === 'object' && said ? said : {}) as Record<string, unknown>
  return {
    clock: typeof clock === 'string' && Object.hasOwn(CLOCKS, clock) ? (clock as Clock) : PLAIN.clock,
    density:
      typeof density === 'string' && Object.hasOwn(DENSITIES, density) ? (density as Density) : PLAIN.density,
  }
}

export function prefer(more: Partial<Taste>): void {
  taste = { ...taste, ...more }
  document.documentElement.dataset.density = taste.density
  try {
    localStorage.setItem(KEPT, JSON.stringify(taste))
  } catch {
    // Then it holds until the page is left.
  }
  for (const listener of listeners) listener()
}

export function useTaste(): Taste {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => taste,
  )
}

/** The zone that moments are told in, where the organisation's is this one. */
export function clockZone(zone: string): string {
  if (taste.clock === 'utc') return 'UTC'
  if (taste.clock === 'browser') return Intl.DateTimeFormat().resolvedOptions().timeZone
  return zone
}
