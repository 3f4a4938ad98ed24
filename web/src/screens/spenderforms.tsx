// Making a team or a project, giving a team another name, letting a project go to another team, and stopping an agent.
import { Autocomplete, Select, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getTeams, patchTeams, postPolicies, postProjects, postProjectsMove, postTeams } from '../api/sdk.gen'
import type { SpenderShown as Spender } from '../api/types.gen'
import { Confirm } from '../parts/Confirm'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Fault } from '../parts/states'

const NAME_MAX = 256
// What shows a team's name anywhere.
const NAMED = [
  'spenders',
  'teams',
  'projects',
  'keys',
  'budgets',
  'explore',
  'dimensions',
  'policies',
  'members',
]

export function NewTeam({ close }: { close: () => void }) {
  const sending = useChange('spenders', 'teams')
  return (
    <FormDialog
      title="New team"
      verb="Create team"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      submit={(text) =>
        sending.send(
          () => postTeams({ body: { name: text('name') }, throwOnError: true }),
          `Team ${text('name')} is there. Keys can be bound to it, and budgets set on it.`,
          close,
        )
      }
    >
      <TextInput label="Name" name="name" required maxLength={NAME_MAX} data-autofocus />
    </FormDialog>
  )
}

export function NewProject({ close }: { close: () => void }) {
  const sending = useChange('spenders', 'projects', 'teams')
  const teams = useTeams()
  const [team, setTeam] = useState('')
  return (
    <FormDialog
      title="New project"
      verb="Create project"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      submit={(text) =>
        sending.send(
          () =>
            postProjects({
              body: { name: text('name'), ...(team.trim() ? { team: team.trim() } : {}) },
              throwOnError: true,
            }),
          `Project ${text('name')} is there.`,
          close,
        )
      }
    >
      <TextInput label="Name" name="name" required maxLength={NAME_MAX} data-autofocus />
      <Autocomplete
        label="Team"
        description="Its calls are this team’s."
        value={team}
        onChange={setTeam}
        data={teams}
        placeholder="default"
        maxLength={NAME_MAX}
      />
    </FormDialog>
  )
}

export function RenameTeam({
  team,
  close,
  done,
}: {
  team: string
  close: () => void
  done?: (name: string) => void
}) {
  const sending = useChange(...NAMED)
  return (
    <FormDialog
      title={`Rename ${team}`}
      verb="Rename team"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      submit={(text) => {
        const name = text('name')
        sending.send(
          () => patchTeams({ body: { team, name }, throwOnError: true }),
          `${team} is called ${name} now, in all that was ever booked on it.`,
          () => (done ? done(name) : close()),
        )
      }}
    >
      <TextInput
        label="New name"
        name="name"
        defaultValue={team}
        required
        maxLength={NAME_MAX}
        data-autofocus
        description={`Figures, budgets, policies and keys show it at once, those of the past too. Programs that still say ${team} are booked here all the same.`}
      />
    </FormDialog>
  )
}

export function MoveProject({
  project,
  close,
  done,
}: {
  project: Pick<Spender, 'name' | 'team'>
  close: () => void
  done?: (team: string) => void
}) {
  const sending = useChange(...NAMED)
  const from = project.team ?? 'default'
  const teams = useTeams().filter((name) => name !== from)
  const [to, setTo] = useState<string | null>(null)
  return (
    <FormDialog
      title={`Move ${project.name} to another team`}
      verb="Move project"
      busy={sending.busy}
      problem={sending.problem}
      close={close}
      ready={to !== null}
      submit={() =>
        sending.send(
          () =>
            postProjectsMove({
              body: { team: from, project: project.name, to: to as string },
              throwOnError: true,
            }),
          `${project.name} is ${to}’s from now on, and so are its keys.`,
          () => (done ? done(to as string) : close()),
        )
      }
    >
      <Select
        label="To"
        value={to}
        onChange={setTo}
        data={teams}
        searchable
        openOnFocus={false}
        data-autofocus
        description={`What was booked so far stays ${from}’s, in figures and in budgets. Its keys, its limits and its policies change over now; a limit counts anew there.`}
        nothingFoundMessage="No other team of that name"
      />
    </FormDialog>
  )
}

/** A kill switch on the agent: the policy that nothing gets past. */
export function StopAgent({ agent, close }: { agent: string; close: () => void }) {
  const sending = useChange('policies')
  return (
    <Confirm
      title="Stop this agent"
      name={agent}
      verb="Stop agent"
      busy={sending.busy}
      close={close}
      fault={sending.problem !== null && <Fault problem={sending.problem} />}
      go={() =>
        sending.send(
          () =>
            postPolicies({
              body: {
                kind: 'kill',
                on: `agent:${agent}`,
                name: STOPPED,
                parameters: { reason: 'Stopped in the console', now: true },
              },
              throwOnError: true,
            }),
          `${agent} is stopped: its calls are refused, and those under way are cut off.`,
          close,
        )
      }
    >
      Every call that names {agent}, or is made with a key of its own, is refused within a second and for as
      long as you let it stand. Answers under way are cut off; what they cost until then is booked. A call
      that names no agent is not stopped: bind a key to the agent for that.
    </Confirm>
  )
}

export const STOPPED = 'stopped in the console'

function useTeams(): string[] {
  const { data } = useQuery({
    queryKey: ['teams'],
    queryFn: async () => (await getTeams({ query: { limit: 200 }, throwOnError: true })).data.items,
  })
  return (data ?? []).map((team) => team.name)
}
