// Adding a channel: what its kind asks for, what it shall hear, and when it shall be quiet.
import { Button, Group, Modal, PasswordInput, Select, Stack, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { putChannelsName } from '../api/sdk.gen'
import type { NamedChannel, NewChannel as Wanted } from '../api/types.gen'
import { CopyThis } from '../parts/Copy'
import { Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { useZone } from '../session'
import { CHANNELS, type ChannelField, type ChannelKind, scopesOf, valuesOf } from './channelform'

type Severity = NonNullable<Wanted['severity']>
type Breaks = NonNullable<Wanted['breaks_through']>

const FROM = [
  { value: 'info', label: 'Everything' },
  { value: 'warning', label: 'Warnings and what is critical' },
  { value: 'critical', label: 'Only what is critical' },
]
const BREAKS = [
  { value: 'critical', label: 'What is critical' },
  { value: 'warning', label: 'Warnings too' },
  { value: 'none', label: 'Nothing' },
]

type Asked = { taken: readonly string[]; close: () => void; made: (channel: NamedChannel) => void }

export function NewChannel({ taken, close, made }: Asked) {
  const queries = useQueryClient()
  const { zone } = useZone()
  const [kind, setKind] = useState<ChannelKind>('slack')
  const [name, setName] = useState('')
  const [severity, setSeverity] = useState<Severity>('info')
  const [quiet, setQuiet] = useState('')
  const [breaks, setBreaks] = useState<Breaks>('critical')
  const { busy, problem, act } = useDoing()
  const twice = taken.includes(name.trim())

  const submit = async (form: HTMLFormElement) => {
    const said = new FormData(form)
    const text = (field: string) => String(said.get(field) ?? '').trim()
    await act(async () => {
      const channel = (
        await putChannelsName({
          path: { name: name.trim() },
          body: {
            kind,
            values: valuesOf(kind, (field) => text(`value.${field}`)),
            severity,
            scopes: scopesOf(text('scopes')),
            ...(quiet.trim() ? { quiet_hours: quiet.trim(), zone, breaks_through: breaks } : {}),
          },
          throwOnError: true,
        })
      ).data
      await queries.invalidateQueries({ queryKey: ['channels'] })
      made(channel)
    })
  }

  return (
    <Modal opened onClose={close} title="Add a channel" size="lg">
      <form
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          if (!twice) submit(event.currentTarget)
        }}
      >
        <Stack>
          <Group grow align="flex-start">
            <TextInput
              label="Name"
              placeholder="ops"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={twice && 'There is a channel of that name.'}
              data-autofocus
              required
              maxLength={64}
            />
            <Select
              label="Kind"
              data={(Object.keys(CHANNELS) as ChannelKind[]).map((value) => ({
                value,
                label: CHANNELS[value].title,
              }))}
              value={kind}
              onChange={(value) => setKind((value ?? 'slack') as ChannelKind)}
              allowDeselect={false}
            />
          </Group>
          {CHANNELS[kind].fields.map((field) => (
            <FieldOf key={`${kind} ${field.name}`} field={field} />
          ))}
          <Group grow align="flex-start">
            <Select
              label="Hears"
              data={FROM}
              value={severity}
              onChange={(value) => setSeverity((value ?? 'info') as Severity)}
              allowDeselect={false}
            />
            <TextInput label="Whose alerts" name="scopes" placeholder="team:search; empty: everybody’s" />
          </Group>
          <Group grow align="flex-start">
            <TextInput
              label="Quiet hours"
              description={zone}
              placeholder="22:00-07:00; empty: none"
              value={quiet}
              onChange={(event) => setQuiet(event.currentTarget.value)}
              maxLength={11}
            />
            {quiet.trim() !== '' && (
              <Select
                label="Breaks through"
                description="Even then"
                data={BREAKS}
                value={breaks}
                onChange={(value) => setBreaks((value ?? 'critical') as Breaks)}
                allowDeselect={false}
              />
            )}
          </Group>
          {problem !== null && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Add channel
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function FieldOf({ field }: { field: ChannelField }) {
  const said = { label: field.label, name: `value.${field.name}`, description: field.about }
  if (field.choices)
    return (
      <Select
        {...said}
        data={[...field.choices]}
        defaultValue={field.choices[0] ?? null}
        allowDeselect={false}
      />
    )
  // Sealed when it is stored; nobody reads it again.
  return field.secret ? (
    <PasswordInput {...said} required={!field.optional} autoComplete="new-password" />
  ) : (
    <TextInput {...said} required={!field.optional} />
  )
}

/** The signing secret that was drawn: the only time that it is shown. */
export function Drawn({ channel, close }: { channel: NamedChannel; close: () => void }) {
  const secret = channel.secret ?? ''
  return (
    <Modal
      opened
      onClose={close}
      title={`The signing secret of ${channel.name}`}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack>
        <div className="once">
          <code data-secret>{secret}</code>
          <CopyThis text={secret}>Copy secret</CopyThis>
        </div>
        <p className="soft">
          Your receiver tells by it that a message is of this gateway (Standard Webhooks). This is the only
          time that it is shown.
        </p>
        <Group justify="flex-end">
          <Button onClick={close}>I have stored it</Button>
        </Group>
      </Stack>
    </Modal>
  )
}
