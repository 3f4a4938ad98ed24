// A new text for a key, with time to bring it to where the old one stands.
import { Button, Group, Modal, Select, Stack } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { postKeysKeyIdRotate } from '../api/sdk.gen'
import type { IssuedKey, Key } from '../api/types.gen'
import { Fault } from '../parts/states'

const SPANS = [
  { value: '0', label: 'Not at all: it ends now' },
  { value: '3600', label: 'One hour' },
  { value: '86400', label: 'One day' },
  { value: '604800', label: 'One week' },
  { value: '2592000', label: '30 days' },
]

export function Rotate({
  apiKey: key,
  close,
  made,
}: {
  apiKey: Key
  close: () => void
  made: (key: IssuedKey) => void
}) {
  const queries = useQueryClient()
  const [grace, setGrace] = useState('86400')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const go = async () => {
    setBusy(true)
    try {
      const fresh = (
        await postKeysKeyIdRotate({
          path: { key_id: key.id },
          body: { grace_s: Number(grace) },
          throwOnError: true,
        })
      ).data
      await queries.invalidateQueries({ queryKey: ['keys'] })
      made(fresh)
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
  }
  return (
    <Modal opened onClose={close} title={`Rotate ${key.name || key.id}`}>
      <Stack>
        <p className="soft">
          The new key says the same: team, project, limits. Its spend goes on under the same names.
        </p>
        <Select
          label="How long the old key still works"
          data={SPANS}
          value={grace}
          onChange={(value) => setGrace(value ?? '0')}
          allowDeselect={false}
        />
        {problem !== null && <Fault problem={problem} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button onClick={go} loading={busy}>
            Rotate key
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
