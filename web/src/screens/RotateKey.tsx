// A new text for a key, with time to bring it to where the old one stands.
import { Select } from '@mantine/core'
import { useState } from 'react'
import { postKeysKeyIdRotate } from '../api/sdk.gen'
import type { IssuedKey, Key } from '../api/types.gen'
import { FormDialog, useChange } from '../parts/FormDialog'
import { nameOf } from '../parts/keynames'

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
  const [grace, setGrace] = useState('86400')
  const { busy, problem, send } = useChange('keys')
  return (
    <FormDialog
      title={`Rotate ${nameOf(key)}`}
      verb="Rotate key"
      size="md"
      {...{ busy, problem, close }}
      submit={() =>
        send(
          () =>
            postKeysKeyIdRotate({
              path: { key_id: key.id },
              body: { grace_s: Number(grace) },
              throwOnError: true,
            }),
          `${nameOf(key)} has a new text.`,
          made,
        )
      }
    >
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
    </FormDialog>
  )
}
