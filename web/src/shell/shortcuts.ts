// Keys that work anywhere but in a field: `g` and a letter goes somewhere, `/` to the filter, `?` shows them all.
import { useEffect } from 'react'

const SEQUENCE_MS = 1200
// Where one chooses from a list and cannot type, keys stay keys.
const TYPED = 'input:not([readonly], [type=radio], [type=checkbox]), textarea, select'

/** What answers false has nothing to do with it now: the browser does what it does. */
export function useShortcuts(keys: Record<string, () => unknown>): void {
  useEffect(() => {
    let first = ''
    let until = 0
    const pressed = (event: KeyboardEvent) => {
      const at = event.target as HTMLElement
      if (event.ctrlKey || event.metaKey || event.altKey || at.isContentEditable || at.matches(TYPED)) return
      if (document.querySelector('[role="dialog"][aria-modal="true"]')) return
      const name = first && event.timeStamp < until ? `${first} ${event.key}` : event.key
      first = event.key === 'g' && name !== 'g g' ? 'g' : ''
      until = event.timeStamp + SEQUENCE_MS
      const act = keys[name]
      if (act && act() !== false) event.preventDefault()
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [keys])
}

/** `/`: the field of the page that narrows it down, or the form of filters, where one types at once. */
export function focusFilter(): void {
  const found = document.querySelector<HTMLElement>('[data-filter]')
  found?.focus()
  if (found instanceof HTMLButtonElement) found.click()
}
