// The key: whose calls it stands for, how much they may cost a month, and its text, once.
import { Autocomplete, Button, Group, PasswordInput, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { getKeys, postKeys } from '../api/sdk.gen'
import type { IssuedKey, Key } from '../api/types.gen'
import { Said } from '../parts/Alone'
import { CopyThis } from '../parts/Copy'
import { useProjectNames, useTeamNames } from '../parts/directory'
import { nameOf } from '../parts/keynames'
import { Fault } from '../parts/states'
import { may, useSession } from '../session'
import { capped } from './NewKey'
import type { StepProps } from './Welcome'

export function KeyStep({ search, held, hold, go }: StepProps) {
  const [made, setMade] = useState<{ key: IssuedKey; uncapped: unknown } | null>(null)
  const [another, setAnother] = useState(false)
  const known = useKey(search.key)
  if (made && held.key)
    return <Stored made={made.key} uncapped={made.uncapped} done={() => go({ step: 'provider' })} />
  if (known.data && !another)
    return (
      <>
        <h2>{nameOf(known.data)} is made</h2>
        <p className="soft prose">
          {held.key
            ? 'This page still has its text, and goes on with it.'
            : 'Its text was shown once, and nothing here keeps it. Paste it to go on with this key, or create another one.'}
        </p>
        {!held.key && <Paste of={known.data} hold={(key) => hold({ key })} />}
        <div className="step-end">
          <Button disabled={!held.key} onClick={() => go({ step: 'provider' })}>
            Go on with this key
          </Button>
          <Button variant="default" onClick={() => setAnother(true)}>
            Create another key
          </Button>
        </div>
      </>
    )
  return (
    <Create
      made={(key, uncapped) => {
        hold({ key: key.key })
        setMade({ key, uncapped })
        setAnother(false)
        go({ key: key.id })
      }}
    />
  )
}

/** The key of that id, where it still opens something. */
export function useKey(id: string | undefined) {
  return useQuery({
    queryKey: ['keys', 'onboarding', id],
    queryFn: async () => {
      const { items } = (await getKeys({ query: { limit: 200 }, throwOnError: true })).data
      return (items as Key[]).find((key) => key.id === id && key.status === 'active') ?? null
    },
    enabled: id !== undefined,
  })
}

/** A key's text from where it was stored; its end is compared with what is known of it. */
export function Paste({ of, hold }: { of: Key; hold: (key: string) => void }) {
  const [wrong, setWrong] = useState(false)
  return (
    <PasswordInput
      label={`The key ${of.preview}`}
      autoComplete="off"
      maw={460}
      mt="md"
      error={wrong && `This is another one: it does not end with ${of.preview?.slice(-4)}.`}
      onChange={(event) => {
        const text = event.currentTarget.value.trim()
        const fits = text.length > 20 && text.endsWith(of.preview?.slice(-4) ?? '')
        setWrong(text.length > 20 && !fits)
        if (fits) hold(text)
      }}
    />
  )
}

function Create({ made }: { made: (key: IssuedKey, uncapped: unknown) => void }) {
  const session = useSession()
  const queries = useQueryClient()
  const [team, setTeam] = useState(session.teams.length === 1 ? (session.teams[0] as string) : '')
  const [project, setProject] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const caps = may(session, 'owner', 'admin', 'manager')
  const teams = useTeamNames()
  const projects = useProjectNames(team)

  const submit = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name) ?? '').trim()
    setBusy(true)
    setProblem(null)
    try {
      const key = (
        await postKeys({
          body: {
            name: text('name'),
            ...(team.trim() ? { team: team.trim() } : {}),
            ...(project.trim() ? { project: project.trim() } : {}),
          },
          throwOnError: true,
        })
      ).data
      const uncapped = text('cap') ? await capped(key.id, text('cap')) : null
      await queries.invalidateQueries({ queryKey: ['keys'] })
      made(key, uncapped)
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        submit(event.currentTarget)
      }}
    >
      <h2>Create your key</h2>
      <p className="soft prose">
        What is called with it is booked on this team and project. A team or project that is new is made.
      </p>
      <TextInput
        label="Name"
        name="name"
        description="What it is for: “checkout bot, production”."
        mt="md"
        required
        maxLength={256}
        autoFocus
      />
      <Group grow align="flex-start" mt="md">
        <Autocomplete
          label="Team"
          value={team}
          onChange={setTeam}
          data={teams}
          placeholder="The whole organisation"
          required={session.role === 'manager' || session.role === 'member'}
        />
        <Autocomplete
          label="Project"
          value={project}
          onChange={setProject}
          data={projects}
          placeholder="Any"
        />
      </Group>
      {caps && (
        <TextInput
          label="Hard cap a month"
          name="cap"
          description="In dollars, or like “50 EUR”. What would go past it is refused. Empty: no cap."
          placeholder="20"
          mt="md"
          maw={280}
          maxLength={48}
        />
      )}
      {problem !== null && <Fault problem={problem} />}
      <div className="step-end">
        <Button type="submit" loading={busy}>
          Create key
        </Button>
      </div>
    </form>
  )
}

function Stored({ made, uncapped, done }: { made: IssuedKey; uncapped: unknown; done: () => void }) {
  return (
    <>
      <h2>{made.name || made.id} is ready</h2>
      <div className="once">
        <code data-key>{made.key}</code>
        <CopyThis text={made.key}>Copy key</CopyThis>
      </div>
      <p className="soft prose">
        This is the only time it is shown: what is kept of it is a hash. Store it where your code reads its
        secrets. It works now.
      </p>
      {uncapped !== null && (
        <Said>
          The key is made, but its cap is not: {(uncapped as Error).message} It can be set under Budgets.
        </Said>
      )}
      <div className="step-end">
        <Button onClick={done}>I have stored it</Button>
      </div>
    </>
  )
}
