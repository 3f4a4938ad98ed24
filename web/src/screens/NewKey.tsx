// Making a key, and the only time that its text is shown.
import { Autocomplete, Button, Group, Modal, Select, Stack, Tabs, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { postBudgets, postKeys } from '../api/sdk.gen'
import type { IssuedKey as Fresh, NewKey as Wanted } from '../api/types.gen'
import { limitText } from '../budgets'
import { clientOf, filled } from '../connect'
import { Said } from '../parts/Alone'
import { Copy, CopyThis, Snippet } from '../parts/Copy'
import { useProjectNames, useTeamNames } from '../parts/directory'
import { Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { may, useSession } from '../session'

/** `uncapped`: why the cap that was asked for is not set. */
export type Issued = { key: Fresh; replaces: string | null; uncapped?: unknown }

const ENDS = [
  { value: '', label: 'Never' },
  { value: '7', label: 'In 7 days' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
]
const DAY_MS = 86_400_000

export function NewKey({
  close,
  made,
}: {
  close: () => void
  made: (key: Fresh, uncapped: unknown) => void
}) {
  const session = useSession()
  const queries = useQueryClient()
  const [team, setTeam] = useState(session.teams.length === 1 ? (session.teams[0] as string) : '')
  const [project, setProject] = useState('')
  const [ends, setEnds] = useState('')
  const { busy, problem, act } = useDoing()
  const books = may(session, 'owner', 'admin', 'manager')
  const teams = useTeamNames()
  const projects = useProjectNames(team)

  const submit = async (form: HTMLFormElement) => {
    const said = new FormData(form)
    const text = (name: string) => String(said.get(name) ?? '').trim() || undefined
    const wanted: Wanted = {
      name: text('name') ?? '',
      ...defined({
        team: team.trim() || undefined,
        project: project.trim() || undefined,
        environment: text('environment'),
        agent: text('agent'),
      }),
      ...(books ? defined({ user: text('user'), cost_center: text('cost_center') }) : {}),
      ...(ends ? { expires_at: new Date(Date.now() + Number(ends) * DAY_MS).toISOString() } : {}),
    }
    await act(async () => {
      const fresh = (await postKeys({ body: wanted, throwOnError: true })).data
      const uncapped = text('cap') ? await capped(fresh.id, text('cap') as string) : null
      await queries.invalidateQueries({ queryKey: ['keys'] })
      made(fresh, uncapped)
    })
  }

  return (
    <Modal opened onClose={close} title="Create a key" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          submit(event.currentTarget)
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            name="name"
            description="What it is for: “checkout bot, production”."
            data-autofocus
            required
            maxLength={256}
          />
          <Group grow align="flex-start">
            <Autocomplete
              label="Team"
              value={team}
              onChange={setTeam}
              data={teams}
              placeholder="The whole organisation"
            />
            <Autocomplete
              label="Project"
              value={project}
              onChange={setProject}
              data={projects}
              placeholder="Any"
            />
          </Group>
          <Group grow align="flex-start">
            <TextInput label="Environment" name="environment" placeholder="prod" />
            <TextInput label="Agent" name="agent" />
          </Group>
          {books && (
            <Group grow align="flex-start">
              <TextInput label="User" name="user" />
              <TextInput label="Cost centre" name="cost_center" />
            </Group>
          )}
          <Group grow align="flex-end">
            {books && (
              <TextInput
                label="Hard cap a month"
                name="cap"
                description="In dollars, or like “50 EUR”. What would go past it is refused."
                placeholder="No cap"
                maxLength={48}
              />
            )}
            <Select
              label="Ends"
              data={ENDS}
              value={ends}
              onChange={(value) => setEnds(value ?? '')}
              allowDeselect={false}
            />
          </Group>
          {problem !== null && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Create key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** Sets a key's hard cap. The key is there either way, so what went wrong is returned, to be said beside it; null is well. */
export async function capped(key: string, amount: string): Promise<unknown> {
  try {
    await postBudgets({
      body: { scope: 'key', value: key, limit: limitText(amount, 'money'), window: 'month' },
      throwOnError: true,
    })
    return null
  } catch (found) {
    return found
  }
}

const FIRST = ['curl', 'openai-python', 'openai-js', 'anthropic-python', 'go']

export function IssuedKey({
  issued: { key, replaces, uncapped = null },
  close,
}: {
  issued: Issued
  close: () => void
}) {
  const codes = firstCalls(window.location.origin, key.key)
  return (
    <Modal
      opened
      onClose={close}
      title={replaces ? `The new text of ${replaces}` : `${key.name || key.id} is ready`}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack>
        <div className="once">
          <code data-key>{key.key}</code>
          <CopyThis text={key.key}>Copy key</CopyThis>
        </div>
        {uncapped !== null && (
          <Said>
            The key is made, but its cap is not: {(uncapped as Error).message} It can be set under Budgets.
          </Said>
        )}
        <p className="soft">This is the only time it is shown: what is kept of it is a hash. It works now.</p>
        <Tabs defaultValue={codes[0]?.name ?? ''} keepMounted={false}>
          <Tabs.List>
            {codes.map((code) => (
              <Tabs.Tab key={code.name} value={code.name}>
                {code.name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {codes.map((code) => (
            <Tabs.Panel key={code.name} value={code.name} pt="sm">
              <Snippet text={code.text} what={`the ${code.name} lines`} />
            </Tabs.Panel>
          ))}
        </Tabs>
        <Group justify="space-between">
          <span className="label">
            Id <code>{key.id}</code> <Copy text={key.id} what="the id" />
          </span>
          <Button onClick={close}>I have stored it</Button>
        </Group>
      </Stack>
    </Modal>
  )
}

/** A few clients' first call with the key, in the sandbox: it runs without any provider's account. */
function firstCalls(gateway: string, key: string): { name: string; text: string }[] {
  const filling = { gateway, key, headers: { 'X-Tallystick-Sandbox': 'true' } }
  return FIRST.flatMap((id) => {
    const client = clientOf(id)
    const form = client?.forms[0]
    return client && form ? [{ name: client.name, text: filled(form, filling) }] : []
  })
}

function defined<T extends Record<string, string | undefined>>(fields: T): { [name in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [name in keyof T]?: string
  }
}
