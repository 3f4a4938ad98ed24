// Pointing a client here: which one, whose key, what the calls are for; then its lines, as `tallystick connect` prints them.
// What is chosen stands in the address, the key does not: it stays in this page.
import { Checkbox, PasswordInput, Select, Tabs, TextInput } from '@mantine/core'
import { useState } from 'react'
import {
  CLIENTS,
  type Client,
  clientOf,
  type Filling,
  filled,
  GROUPS,
  inShell,
  shellExports,
  unfit,
} from '../connect'
import { Snippet } from '../parts/Copy'
import { Section } from '../parts/Page'
import type { HelpProps } from './Help'
import { type HelpSearch, SAID } from './helpsearch'

const LABELS: {
  [name in (typeof SAID)[number]]: { label: string; hint: string; header: string; option: string }
} = {
  team: { label: 'Team', hint: 'growth', header: 'X-Tallystick-Team', option: '--team' },
  project: { label: 'Project', hint: 'onboarding', header: 'X-Tallystick-Project', option: '--project' },
  user: { label: 'User', hint: 'ada', header: 'X-Tallystick-User', option: '--user' },
  prompt: {
    label: 'Prompt key',
    hint: 'welcome_email',
    header: 'X-Tallystick-Prompt-Key',
    option: '--prompt',
  },
  tags: { label: 'Tags', hint: 'nightly,tier=gold', header: 'X-Tallystick-Tags', option: '--tag' },
}

export const TESTED = {
  run: { says: 'Run by our tests', why: 'These very lines run against a gateway in the tests.' },
  read: {
    says: 'File read by our tests',
    why: 'The tests read the file as its format; the tool itself was not run.',
  },
  documented: {
    says: 'Documented, not run',
    why: 'Written after the tool’s own documentation; it was not run.',
  },
} as const

export function Connect({ search, say }: HelpProps) {
  const [key, setKey] = useState('')
  const client = clientOf(search.client ?? 'openai-python') as Client
  const headers = headersOf(search)
  const filling: Filling = {
    gateway: window.location.origin,
    headers,
    ...(key.trim() ? { key: key.trim() } : {}),
    ...(search.model ? { model: search.model } : {}),
  }
  const problem = unfit(filling)
  return (
    <div className="help-connect">
      <form onSubmit={(event) => event.preventDefault()} aria-label="What to connect">
        <Select
          label="Client"
          searchable
          allowDeselect={false}
          value={client.id}
          onChange={(id) => say({ client: id ?? undefined, form: undefined, model: undefined })}
          data={Object.entries(GROUPS).map(([group, title]) => ({
            group: title,
            items: CLIENTS.filter((one) => one.group === group).map(({ id, name }) => ({
              value: id,
              label: name,
            })),
          }))}
        />
        <PasswordInput
          label="Key"
          description="It stays in this page."
          placeholder="tsk_…"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          autoComplete="off"
        />
        {SAID.map((name) => (
          <TextInput
            key={name}
            label={LABELS[name].label}
            placeholder={LABELS[name].hint}
            value={search[name] ?? ''}
            onChange={(event) =>
              say({ [name]: event.currentTarget.value || undefined } as Partial<HelpSearch>)
            }
          />
        ))}
        <Checkbox
          label="Sandbox: simulated replies"
          checked={search.sandbox === true}
          onChange={(event) => say({ sandbox: event.currentTarget.checked || undefined })}
        />
        <p className="label">What a key is bound to need not be said: a header cannot move it elsewhere.</p>
      </form>
      <div className="help-lines">
        {problem ? (
          <p role="alert">{problem}</p>
        ) : (
          <Lines client={client} filling={filling} search={search} say={say} />
        )}
      </div>
    </div>
  )
}

function Lines({ client, filling, search, say }: HelpProps & { client: Client; filling: Filling }) {
  const form = client.forms.find(({ title }) => title === search.form) ?? client.forms[0]
  const variables = shellExports(client, filling)
  if (!form) return null
  return (
    <>
      {client.install && (
        <Section title="Get it">
          <Snippet text={client.install} what="the command" />
        </Section>
      )}
      <Section
        title={form.file ? form.file : client.group === 'tool' ? 'In its settings' : 'In the code'}
        end={
          <span className="tested" data-tested={form.tested} title={TESTED[form.tested].why}>
            {TESTED[form.tested].says}
          </span>
        }
      >
        {client.forms.length > 1 && (
          <Tabs
            variant="pills"
            value={form.title}
            onChange={(title) =>
              say({ form: title === client.forms[0]?.title ? undefined : (title ?? undefined) })
            }
            my="xs"
          >
            <Tabs.List>
              {client.forms.map(({ title }) => (
                <Tabs.Tab key={title} value={title}>
                  {title}
                </Tabs.Tab>
              ))}
            </Tabs.List>
          </Tabs>
        )}
        <Snippet text={filled(form, filling)} what="the lines" />
      </Section>
      {variables && (
        <Section title="From the environment" end={client.https_only ? 'over HTTPS only' : undefined}>
          <Snippet text={variables} what="the variables" />
        </Section>
      )}
      <Section title="In a terminal">
        <Snippet text={commandOf(client, filling, search)} what="the command" />
      </Section>
      <Section title="Look out">
        <ul className="help-caveats">
          {client.caveats.map((caveat) => (
            <li key={caveat}>{caveat}</li>
          ))}
          <li>What a call is for: {client.attribution}</li>
        </ul>
      </Section>
    </>
  )
}

export function headersOf(search: HelpSearch): { [name: string]: string } {
  const said = SAID.flatMap((name) => (search[name] ? [[LABELS[name].header, search[name]] as const] : []))
  return Object.fromEntries([...said, ...(search.sandbox ? [['X-Tallystick-Sandbox', 'true'] as const] : [])])
}

/** The same for a terminal; the key is read from TALLYSTICK_KEY there. */
function commandOf(client: Client, { gateway }: Filling, search: HelpSearch): string {
  const words = SAID.flatMap((name) =>
    (name === 'tags' ? (search.tags ?? '').split(',') : [search[name] ?? ''])
      .filter((value) => value !== '')
      .map((value) => `${LABELS[name].option} ${plain(value)}`),
  )
  const write = client.forms.some(({ file }) => file) ? ' --write' : ''
  const sandbox = search.sandbox ? ' --sandbox' : ''
  const head = `tallystick connect ${client.id}${write}${sandbox}`
  return [head, `--gateway ${plain(gateway)}`, ...words].join(' \\\n  ')
}

const plain = (word: string): string => (/^[\w.:/=@-]+$/.test(word) ? word : inShell(word))
