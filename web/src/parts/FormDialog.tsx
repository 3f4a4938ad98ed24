// A form in a dialog, and the sending of what it says: what came of it is told, and who does not follow yet.
import { Button, Group, Modal, Stack, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Fault } from './states'
import { useDoing } from './useDoing'

type Changed = { not_in_force_on?: string[]; warnings?: string[] }

/** Sends a change, then tells what it came to; `busy` and `problem` while it is under way. `about`: the lists that are asked anew. */
export function useChange(...about: string[]) {
  const queries = useQueryClient()
  const { busy, problem, act, fail } = useDoing()
  const send = <Now,>(
    change: () => Promise<{ data: Now; response?: Response }>,
    said: string | ((status: number | undefined) => string),
    done: (now: Now) => void = () => {},
  ) =>
    act(async () => {
      const { data: now, response } = await change()
      await Promise.all(about.map((name) => queries.invalidateQueries({ queryKey: [name] })))
      const { not_in_force_on: late = [], warnings: minds = [] } = (now ?? {}) as Changed
      notifications.show({
        message: [
          typeof said === 'string' ? said : said(response?.status),
          ...(late.length ? [`Not followed yet by ${late.join(', ')}.`] : []),
          ...minds.map((mind) => `Mind: ${mind}.`),
        ].join(' '),
        ...(late.length || minds.length ? { color: 'yellow' } : {}),
      })
      done(now)
    })
  return { busy, problem, send, fail }
}

type Formed = {
  title: string
  verb: string
  busy: boolean
  problem: unknown
  close: () => void
  /** `text`: what a field says, without spaces around it; `filled`: all of it as typed. */
  submit: (text: (name: string) => string, filled: FormData) => void
  ready?: boolean
  size?: 'md' | 'lg'
  children: ReactNode
}

export function FormDialog({
  title,
  verb,
  busy,
  problem,
  close,
  submit,
  ready = true,
  size = 'lg',
  children,
}: Formed) {
  return (
    <Modal opened onClose={close} title={title} size={size}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const filled = new FormData(event.currentTarget)
          if (ready) submit((name) => String(filled.get(name) ?? '').trim(), filled)
        }}
      >
        <Stack>
          {children}
          {problem !== null && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={!ready}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** Why it is done, where the ledger keeps it: the form's field `reason`. */
export function Reason() {
  return (
    <TextInput label="Reason" name="reason" description="It goes into the ledger." required maxLength={256} />
  )
}
