// Who belongs to the organisation, and as what: changed and let go at once. What one may not do is said before one tries.
import { Button, Group, Menu, Modal, Stack } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteMembersAccountId, getMembers, patchMembersAccountId } from '../api/sdk.gen'
import type { MemberShown } from '../api/types.gen'
import type { Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { ListActions } from '../parts/ListActions'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { MembershipFields } from '../parts/MembershipFields'
import { closedTo, OF_TEAMS } from '../parts/roles'
import { Settings } from '../parts/Settings'
import { Empty, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { atText, dateText } from '../parts/when'
import { may, type Role, sessionQuery, useSession, useZone } from '../session'
import type { MemberSearch } from './settingssearch'

export default function Members() {
  const search = useSearch({ from: '/o/$slug/settings/members' })
  const { slug } = useParams({ from: '/o/$slug/settings/members' })
  const navigate = useNavigate({ from: '/o/$slug/settings/members' })
  const set = (more: { [name in keyof MemberSearch]: MemberSearch[name] | undefined }) =>
    navigate({ search: (before: MemberSearch) => ({ ...before, ...more }) as MemberSearch, replace: true })
  const session = useSession()
  const { zone } = useZone()
  const [changing, setChanging] = useState<MemberShown | null>(null)
  const [leaving, setLeaving] = useState<MemberShown | null>(null)
  const invites = may(session, 'owner', 'admin', 'manager')
  const list = useList(
    ['members'],
    async (page) => (await getMembers({ query: page, throwOnError: true })).data,
  )
  const passes = (member: MemberShown) =>
    says(search.q, [member.name, member.email, member.role, member.teams.join(' ')])
  const shown = list.items.filter(passes)
  const owners = list.items.filter((member) => member.role === 'owner' && member.status === 'active').length
  const columns = useMemo(() => columnsOf(zone, session.account.id), [zone, session.account.id])
  const invite = () =>
    navigate({ to: '/o/$slug/settings/invitations', params: { slug }, search: { new: true } })
  return (
    <Settings
      title="Members"
      question="Who belongs here, and what may they do?"
      actions={
        <ListActions name="members" {...{ columns, list, passes }} add={invite}>
          {invites && 'Invite somebody'}
        </ListActions>
      }
    >
      <Listing
        title="Members"
        list={list}
        rows={shown}
        columns={columns}
        id={(member) => member.id}
        named={(member) => member.email}
        sort={search.sort ?? 'joined_at'}
        onSort={(sort) => set({ sort })}
        search={{ text: search.q, of: 'name, address, role, team', set: (q) => set({ q }) }}
        clear={() => navigate({ search: {} })}
        empty={
          <Empty
            title="Nobody of your teams yet"
            action={invites && <Button onClick={invite}>Invite somebody</Button>}
          >
            Members of the teams you manage stand here.
          </Empty>
        }
        menu={(member) => {
          if (!invites) return null
          const closed = closedTo(session.role, member.role, owners)
          return closed ? (
            <Menu.Label>{closed}</Menu.Label>
          ) : (
            <>
              <Menu.Item onClick={() => setChanging(member)}>Change role…</Menu.Item>
              <Menu.Item color="var(--red)" onClick={() => setLeaving(member)}>
                Remove…
              </Menu.Item>
            </>
          )
        }}
      />
      {changing && <Change member={changing} close={() => setChanging(null)} />}
      {leaving && <Remove member={leaving} close={() => setLeaving(null)} />}
    </Settings>
  )
}

function columnsOf(zone: string, self: string): Column<MemberShown>[] {
  return [
    {
      id: 'email',
      title: 'Member',
      value: (member) => member.email,
      shown: (member) => (
        <>
          <span className="address">{member.email}</span>{' '}
          {member.id === self && <span className="tag">You</span>}
          {member.status === 'disabled' && <span className="tag amber">Disabled</span>}
        </>
      ),
    },
    { id: 'name', title: 'Name', value: (member) => member.name, wide: true },
    { id: 'role', title: 'Role', value: (member) => member.role },
    { id: 'teams', title: 'Teams', value: (member) => member.teams.join(', ') || null, wide: true },
    {
      id: 'joined_at',
      title: 'Joined',
      value: (member) => member.joined_at,
      shown: (member) => dateText(member.joined_at, zone),
      wide: true,
    },
    {
      id: 'seen_at',
      title: 'Last seen',
      value: (member) => member.seen_at,
      shown: (member) =>
        member.seen_at ? atText(member.seen_at, zone) : <span className="quiet">not yet</span>,
      wide: true,
    },
    { id: 'status', title: 'Status', value: (member) => member.status, hidden: true, written: true },
    { id: 'id', title: 'Id', value: (member) => member.id, hidden: true, written: true },
  ]
}

function Change({ member, close }: { member: MemberShown; close: () => void }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const [role, setRole] = useState(member.role as Role)
  const [teams, setTeams] = useState(member.teams)
  const save = async () => {
    const done = await act(async () => {
      await patchMembersAccountId({
        path: { account_id: member.id },
        body: { role, teams: OF_TEAMS.includes(role) ? teams : [] },
        throwOnError: true,
      })
      notifications.show({ message: `${member.email} is ${role} from now on.` })
      await queries.invalidateQueries({ queryKey: ['members'] })
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
    })
    if (done) close()
  }
  return (
    <Modal opened onClose={close} title={`What is ${member.email}?`} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          save()
        }}
      >
        <Stack>
          <MembershipFields role={role} setRole={setRole} teams={teams} setTeams={setTeams} />
          {problem && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Change role
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function Remove({ member, close }: { member: MemberShown; close: () => void }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const go = async () => {
    const done = await act(async () => {
      await deleteMembersAccountId({ path: { account_id: member.id }, throwOnError: true })
      notifications.show({ message: `${member.email} is out, in every browser and program.` })
      await queries.invalidateQueries({ queryKey: ['members'] })
    })
    if (done) close()
  }
  return (
    <Confirm
      title="Remove this member"
      name={member.email}
      verb="Remove member"
      busy={busy}
      close={close}
      go={go}
      fault={problem && <Fault problem={problem} />}
    >
      Their sessions and access tokens end with the next request. Keys that they made go on: revoke those
      under Keys.
    </Confirm>
  )
}
