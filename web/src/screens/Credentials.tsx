// The provider's keys that are kept, sealed: stored, tested, replaced, removed, and how each stands. A value goes in and never comes out.
import { Button, Group, Menu, Modal, PasswordInput, Stack, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDots } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { deleteCredentialsProviderName, putCredentialsProviderName } from '../api/sdk.gen'
import type { Credential, OneProvider } from '../api/types.gen'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Health, healthOf } from '../parts/Health'
import { Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { atText, dateText } from '../parts/when'
import { useZone } from '../session'
import { useCredentials } from './providerlist'
import { TestCredential } from './TestCredential'

type Asked = {
  provider: OneProvider
  changes: boolean
  adding: boolean
  add: (on: boolean) => void
}

export function Credentials({ provider, changes, adding, add }: Asked) {
  const { zone } = useZone()
  const [turning, setTurning] = useState<Credential | null>(null)
  const [ending, setEnding] = useState<Credential | null>(null)
  const [testing, setTesting] = useState<{ name: string; stored?: boolean } | null>(null)
  const { data, error, isPending, refetch } = useCredentials(true)
  const held = data?.filter((one) => one.provider === provider.id) ?? []
  const columns: Column<Credential>[] = [
    {
      id: 'name',
      title: 'Name',
      value: (one) => one.name,
      shown: (one) => <span className="name">{one.name}</span>,
    },
    ...(held.some((one) => one.set_at === undefined)
      ? []
      : ([
          {
            id: 'health',
            title: 'Health',
            value: (one) => (one.status === 'origin_changed' ? 'address changed' : healthOf(one)),
            shown: (one) => <Standing one={one} zone={zone} />,
          },
          {
            id: 'answers',
            title: 'Answers',
            value: (one) => one.health?.answers ?? 0,
            shown: (one) => grouped(one.health?.answers ?? 0),
            number: true,
            wide: true,
          },
          {
            id: 'failures',
            title: 'Failures',
            value: (one) => one.health?.failures ?? 0,
            shown: (one) => grouped(one.health?.failures ?? 0),
            number: true,
            wide: true,
          },
          {
            id: 'set_at',
            title: 'Stored',
            value: (one) => one.set_at,
            shown: (one) => `${dateText(one.set_at, zone)}, version ${one.version}`,
            wide: true,
          },
        ] satisfies Column<Credential>[])),
    ...(changes
      ? [
          {
            id: 'actions',
            title: 'Actions',
            unnamed: true,
            unsorted: true,
            value: (one: Credential) => one.name,
            shown: (one: Credential) => (
              <Group gap="xs" justify="flex-end" wrap="nowrap">
                <Button
                  variant="default"
                  size="compact-sm"
                  aria-label={`Test ${one.name}`}
                  onClick={() => setTesting(one)}
                >
                  Test
                </Button>
                <Menu position="bottom-end">
                  <Menu.Target>
                    <Button
                      variant="subtle"
                      color="gray"
                      c="var(--ink-quiet)"
                      size="compact-sm"
                      aria-label={`Actions for ${one.name}`}
                    >
                      <IconDots size={16} />
                    </Button>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Item onClick={() => setTurning(one)}>Replace…</Menu.Item>
                    <Menu.Item color="var(--red)" onClick={() => setEnding(one)}>
                      Remove…
                    </Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              </Group>
            ),
          },
        ]
      : []),
  ]
  return (
    <Section
      title="Stored credentials"
      end={held.length > 0 && <AsCsv name={`${provider.id}-credentials`} columns={columns} rows={held} />}
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={2} />
      ) : held.length === 0 ? (
        <p className="soft intro">
          None: callers bring their own {provider.name} key with each call. One that is stored here is sealed,
          and keys of this gateway are all that callers need then.
        </p>
      ) : (
        <Book caption="Stored credentials" columns={columns} rows={held} id={(one) => one.name} />
      )}
      {(adding || turning) && (
        <Store
          provider={provider}
          replaces={turning}
          stored={(name) => setTesting({ name, stored: true })}
          close={() => {
            add(false)
            setTurning(null)
          }}
        />
      )}
      {testing && (
        <TestCredential
          provider={provider.id}
          name={testing.name}
          stored={testing.stored}
          close={() => setTesting(null)}
        />
      )}
      {ending && <Remove credential={ending} close={() => setEnding(null)} />}
    </Section>
  )
}

function Standing({ one, zone }: { one: Credential; zone: string }) {
  const { health } = one
  return (
    <div className="lines">
      <Health credentials={[one]} />
      {one.status === 'origin_changed' && (
        <div className="label">
          It was stored for {one.origin}. It is not sent to another address; store it again to use it there.
        </div>
      )}
      {health?.last_failure_at && healthOf(one) !== 'healthy' && (
        <div className="label">
          {health.last_failure_status ? `${health.last_failure_status}, ` : ''}
          {atText(health.last_failure_at, zone)}
        </div>
      )}
      {health?.cooling.map((cool) => (
        <div className="label" key={`${cool.model} ${cool.why}`}>
          {cool.model ?? 'every model'}: {cool.why} until {atText(cool.until, zone)}
          {!cool.stated && ' (a guess)'}
        </div>
      ))}
    </div>
  )
}

function Store({
  provider,
  replaces,
  stored,
  close,
}: {
  provider: OneProvider
  replaces: Credential | null
  stored: (name: string) => void
  close: () => void
}) {
  const queries = useQueryClient()
  const [name, setName] = useState(replaces?.name ?? 'default')
  const [value, setValue] = useState('')
  const store = useMutation({
    mutationFn: () =>
      putCredentialsProviderName({
        path: { provider: provider.id, name: name.trim() },
        body: { value: value.trim() },
        throwOnError: true,
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['credentials'] })
      close()
      stored(name.trim())
    },
  })
  return (
    <Modal
      opened
      onClose={close}
      title={replaces ? `Replace ${replaces.name}` : `Store a ${provider.name} credential`}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          store.mutate()
        }}
      >
        <Stack gap="md">
          <p className="soft">
            {replaces
              ? 'The new value takes the old one’s place at once, for every key and project that uses it.'
              : 'It is sealed for this address and never shown again. Keys that name no other use the one called default.'}
          </p>
          {!replaces && (
            <TextInput
              label="Name"
              required
              maxLength={64}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
          <PasswordInput
            label="Value"
            description={`The key as ${provider.name} gave it; it is sent to ${provider.base_url} alone.`}
            required
            autoComplete="off"
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            data-autofocus
          />
          {store.error && <Fault problem={store.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={store.isPending} disabled={!name.trim() || !value.trim()}>
              {replaces ? 'Replace' : 'Store credential'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function Remove({ credential, close }: { credential: Credential; close: () => void }) {
  const queries = useQueryClient()
  const remove = useMutation({
    mutationFn: () =>
      deleteCredentialsProviderName({
        path: { provider: credential.provider, name: credential.name },
        throwOnError: true,
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['credentials'] })
      notifications.show({
        message: `${credential.name} is removed. Calls that need it are refused from now on.`,
      })
      close()
    },
  })
  return (
    <Confirm
      title="Remove this credential"
      name={credential.name}
      verb="Remove credential"
      busy={remove.isPending}
      close={close}
      go={() => remove.mutate()}
      fault={remove.error && <Fault problem={remove.error} />}
    >
      Its value is destroyed. Calls that rely on it get 401 until another takes its place; to change it
      without a gap, replace it instead.
    </Confirm>
  )
}
