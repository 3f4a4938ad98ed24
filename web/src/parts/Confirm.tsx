// Before something that cannot be undone: its name is typed.
import { Button, Group, Modal, Stack, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'

type Asked = {
  title: string
  name: string
  verb: string
  children: ReactNode
  busy: boolean
  fault?: ReactNode
  close: () => void
  go: () => void
}

export function Confirm({ title, name, verb, children, busy, fault, close, go }: Asked) {
  const [typed, setTyped] = useState('')
  return (
    <Modal opened onClose={close} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (typed === name) go()
        }}
      >
        <Stack gap="md">
          <div className="soft">{children}</div>
          <TextInput
            label={
              <>
                Type <code>{name}</code> to confirm
              </>
            }
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
          {fault}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" color="alarm" disabled={typed !== name} loading={busy}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
