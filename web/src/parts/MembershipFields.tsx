// What somebody is to be: a role that one may give, and the teams it is for.
import { MultiSelect, Select } from '@mantine/core'
import { type Role, useSession } from '../session'
import { useTeamNames } from './directory'
import { grantable, OF_TEAMS, ROLE_WORDS } from './roles'

type Asked = {
  role: Role
  setRole: (role: Role) => void
  teams: string[]
  setTeams: (teams: string[]) => void
}

export function MembershipFields({ role, setRole, teams, setTeams }: Asked) {
  const session = useSession()
  const known = useTeamNames()
  const names = session.role === 'manager' ? session.teams : known
  return (
    <>
      <Select
        label="Role"
        data={grantable(session.role).map((value) => ({ value, label: value }))}
        value={role}
        onChange={(value) => setRole((value ?? role) as Role)}
        description={`As ${role} one ${ROLE_WORDS[role]}`}
        allowDeselect={false}
      />
      {OF_TEAMS.includes(role) && (
        <MultiSelect
          label="Teams"
          description={
            role === 'manager' ? 'Those they run; at least one.' : 'Those they make keys in; none: no keys.'
          }
          data={[...new Set([...names, ...teams])]}
          value={teams}
          onChange={setTeams}
          searchable
          required={role === 'manager' || session.role === 'manager'}
        />
      )}
    </>
  )
}
