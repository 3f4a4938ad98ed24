// What is said of a dimension, and setting it on a key whose calls lack it.
import { Autocomplete, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { patchKeysKeyId, putDimensions } from '../api/sdk.gen'
import type { DimensionShown, LackingKey } from '../api/types.gen'
import { fixedOn, OWN, titleOf } from '../dimensions'
import { FormDialog, useChange } from '../parts/FormDialog'

export function Describe({
  known,
  close,
  only,
}: {
  known: readonly Pick<DimensionShown, 'name' | 'description'>[]
  close: () => void
  only?: string
}) {
  const sending = useChange('dimensions')
  const [title, setTitle] = useState(only === undefined ? '' : titleOf(only))
  const name =
    known.find((one) => titleOf(one.name) === title.trim() && !one.name.startsWith(OWN))?.name ??
    `${OWN}${title.trim()}`
  const before = known.find((one) => one.name === (only ?? name))?.description ?? ''
  return (
    <FormDialog
      title={only === undefined ? 'Describe a dimension' : `What ${title} is for`}
      verb="Save"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      ready={title.trim() !== ''}
      submit={(text) =>
        sending.send(
          () =>
            putDimensions({
              body: { name: only ?? name, description: text('description') },
              throwOnError: true,
            }),
          'Saved.',
          close,
        )
      }
    >
      {only === undefined && (
        <Autocomplete
          label="Dimension"
          description="One that is there, or a new one of your own."
          value={title}
          onChange={setTitle}
          data={[...new Set(known.map((one) => titleOf(one.name)))]}
          maxLength={64}
          data-autofocus
          required
        />
      )}
      <Textarea
        key={before}
        label="What it is for"
        name="description"
        defaultValue={before}
        placeholder="Which of our sites the call is for. Ask Finance for the list."
        autosize
        minRows={2}
        maxLength={512}
        {...(only === undefined ? {} : { 'data-autofocus': true })}
      />
    </FormDialog>
  )
}

export function SetOnKey({ name, lacking, close }: { name: string; lacking: LackingKey; close: () => void }) {
  const sending = useChange('dimensions', 'keys', 'spenders')
  const key = lacking.name || (lacking.key_id as string)
  return (
    <FormDialog
      title={`Set ${titleOf(name)} on ${key}`}
      verb="Set on key"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      submit={(text) =>
        sending.send(
          () =>
            patchKeysKeyId({
              path: { key_id: lacking.key_id as string },
              body: fixedOn(name, text('value'), lacking.dimensions ?? {}),
              throwOnError: true,
            }),
          `Calls with ${key} are booked on ${titleOf(name)} ${text('value')} from now on.`,
          close,
        )
      }
    >
      <TextInput
        label={titleOf(name)}
        name="value"
        required
        maxLength={256}
        data-autofocus
        description="For calls from now on; what was booked stays as it was. A caller cannot say otherwise."
      />
    </FormDialog>
  )
}
