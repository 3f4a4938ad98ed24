// Rows by keyboard, in every table: `j` and `k` go down and up, `Enter` opens what the row leads to, `x` chooses it (with
// Shift all from the last one). They work on what is on the page, so a table has nothing to do for them.

const ROWS = 'main tr[data-row]'

function rowHere(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('tr[data-row]') ?? null
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>(ROWS)]
  const here = rowHere()
  const next = here ? rows[rows.indexOf(here) + by] : by === 1 ? rows[0] : rows.at(-1)
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

/** Only on the row itself: on a link or a button in it, Enter is that one's own. */
function open(): boolean {
  const here = rowHere()
  if (!here || here !== document.activeElement) return false
  here.querySelector<HTMLElement>('a[href], td button:not([aria-haspopup])')?.click()
  return true
}

function choose(through: boolean): void {
  const box = rowHere()?.querySelector<HTMLInputElement>('input[data-choose]')
  box?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: through }))
}

export const ROW_KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => choose(false),
  X: () => choose(true),
  Enter: open,
}
