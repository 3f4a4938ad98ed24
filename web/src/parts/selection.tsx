// Rows that are chosen, to do something with all of them at once: a box before each, with Shift from the last one on.
import { Button, Checkbox } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { grouped } from '../money'

export type Selection = {
  has: (id: string) => boolean
  count: number
  toggle: (id: string, to: boolean, through: boolean) => void
  all: (to: boolean) => void
  clear: () => void
}

/** `ids`: of the rows as they stand there. What is no longer among them is not chosen either. */
export function useSelection(ids: readonly string[]): Selection {
  const [said, setSaid] = useState<ReadonlySet<string>>(new Set())
  const [last, setLast] = useState<string | null>(null)
  const chosen = new Set(ids.filter((id) => said.has(id)))
  return {
    has: (id) => chosen.has(id),
    count: chosen.size,
    toggle: (id, to, through) => {
      const next = new Set(chosen)
      const from = through && last !== null ? ids.indexOf(last) : -1
      const here = ids.indexOf(id)
      const span = from < 0 ? [id] : ids.slice(Math.min(from, here), Math.max(from, here) + 1)
      for (const one of span) to ? next.add(one) : next.delete(one)
      setLast(id)
      setSaid(next)
    },
    all: (to) => setSaid(new Set(to ? ids : [])),
    clear: () => setSaid(new Set()),
  }
}

export function SelectAll({ selection, of }: { selection: Selection; of: number }) {
  return (
    <Checkbox
      size="xs"
      aria-label="Choose all rows"
      checked={of > 0 && selection.count === of}
      indeterminate={selection.count > 0 && selection.count < of}
      onChange={(event) => selection.all(event.currentTarget.checked)}
    />
  )
}

export function SelectOne({ selection, id, name }: { selection: Selection; id: string; name: string }) {
  return (
    <Checkbox
      size="xs"
      data-choose
      aria-label={`Choose ${name}`}
      checked={selection.has(id)}
      onChange={(event) => selection.toggle(id, event.currentTarget.checked, withShift(event.nativeEvent))}
    />
  )
}

/** What can be done with the chosen rows; it stands at the page's lower edge while there are any. */
export function Chosen({ selection, children }: { selection: Selection; children: ReactNode }) {
  if (!selection.count) return null
  return (
    <section className="chosen" aria-label="Chosen rows">
      <strong>{grouped(selection.count)} chosen</strong>
      {children}
      <Button
        size="xs"
        variant="subtle"
        color="gray"
        c="var(--ink-soft)"
        leftSection={<IconX size={14} />}
        onClick={selection.clear}
      >
        None
      </Button>
    </section>
  )
}

/** A box changes by a click, of the mouse or of the keyboard. */
function withShift(event: Event): boolean {
  return event instanceof MouseEvent && event.shiftKey
}
