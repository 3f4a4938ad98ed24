// Who is asked to join: a link for one address, shown once or mailed, that waits until it is used, taken back or over.
import { Button, Checkbox, Group, Menu, Modal, Select, Stack, Switch, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteInvitationsInvitationId, getInvitations, postInvitations } from '../api/sdk.gen'
import type { InvitationMade, InvitationShown } from '../api/types.gen'
import { Said } from '../parts/Alone'
import type { Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { CopyThis, Snippet } from '../parts/Copy'
import { ListActions } from '../parts/ListActions'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { MembershipFields } from '../parts/MembershipFields'
import { useEmails } from '../parts/people'
import { OF_TEAMS } from '../parts/roles'
import { Settings } from '../parts/Settings'
import { Empty, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { dateText } from '../parts/when'
import { may, type Role, useOrganization, useSession, useZone } from '../session'
import type { InvitationSearch } from './settingssearch'

const LINE = 'tallystick members invite ana@example.com --role member --team default'

export default function Invitations() {
  const search = useSearch({ from: '/o/$slug/settings/invitations' })
  const navigate = useNavigate({ from: '/o/$slug/settings/invitations' })
  const set = (
    more: { [name in keyof InvitationSearch]: InvitationSearch[name] | undefined },
    replace = true,
  ) =>
    navigate({ search: (before: InvitationSearch) => ({ ...before, ...more }) as InvitationSearch, replace })
  const session = useSession()
  const { zone } = useZone()
  const invites = may(session, 'owner', 'admin', 'manager')
  const [made, setMade] = useState<InvitationMade | null>(null)
  const [ending, setEnding] = useState<InvitationShown | null>(null)
  const emails = useEmails(true)
  const list = useList(
    ['invitations'],
    async (page) => (await getInvitations({ query: page, throwOnError: true })).data,
  )
  const passes = (one: InvitationShown) =>
    (search.over || one.status === 'pending') && says(search.q, [one.email, one.role, one.teams.join(' ')])
  const shown = list.items.filter(passes)
  const over = list.items.filter((one) => one.status !== 'pending').length
  const columns = useMemo(() => columnsOf(zone, emails.of), [zone, emails.of])
  const add = () => set({ new: true }, false)
  return (
    <Settings
      title="Invitations"
      question="Who is asked to join, and has not yet?"
      actions={
        <ListActions name="invitations" {...{ columns, list, passes }} add={add}>
          {invites && 'Invite somebody'}
        </ListActions>
      }
    >
      <Listing
        title="Invitations"
        list={list}
        rows={shown}
        columns={columns}
        id={(one) => one.id}
        named={(one) => one.email}
        sort={search.sort ?? '-created_at'}
        onSort={(sort) => set({ sort })}
        ended={(one) => one.status !== 'pending'}
        search={{ text: search.q, of: 'address, role, team', set: (q) => set({ q }) }}
        filters={
          over > 0 && (
            <Switch
              label={`Those that are over (${over})`}
              checked={search.over ?? false}
              onChange={(event) => set({ over: event.currentTarget.checked || undefined })}
            />
          )
        }
        clear={() => navigate({ search: { over: true } })}
        none={search.q ? undefined : 'Nobody is waited for.'}
        empty={
          <Empty title="Nobody was invited yet" action={<Snippet text={LINE} what="the line" />}>
            Whoever is to see or do something here is invited by a link that works once, for their address.{' '}
            {invites ? 'Invite them above, or in a terminal:' : 'An owner or an admin invites them:'}
          </Empty>
        }
        menu={(one) =>
          invites &&
          one.status === 'pending' && (
            <Menu.Item color="var(--red)" onClick={() => setEnding(one)}>
              Withdraw…
            </Menu.Item>
          )
        }
      />
      {search.new && invites && (
        <Invite
          close={() => set({ new: undefined })}
          made={(one) => {
            setMade(one)
            set({ new: undefined })
          }}
        />
      )}
      {made && <Made invitation={made} close={() => setMade(null)} />}
      {ending && <Withdraw invitation={ending} close={() => setEnding(null)} />}
    </Settings>
  )
}

const STATUS: { [status: string]: [string, string] } = {
  pending: ['Waiting', 'tag amber'],
  accepted: ['Accepted', 'tag green'],
  revoked: ['Withdrawn', 'tag'],
  expired: ['Expired', 'tag'],
}

function columnsOf(zone: string, of: (id: string) => string): Column<InvitationShown>[] {
  return [
    {
      id: 'email',
      title: 'Address',
      value: (one) => one.email,
      shown: (one) => <span className="name address">{one.email}</span>,
    },
    { id: 'role', title: 'Role', value: (one) => one.role },
    { id: 'teams', title: 'Teams', value: (one) => one.teams.join(', ') || null, wide: true },
    { id: 'invited_by', title: 'Invited by', value: (one) => of(one.invited_by), wide: true },
    {
      id: 'created_at',
      title: 'Invited',
      value: (one) => one.created_at,
      shown: (one) => dateText(one.created_at, zone),
      wide: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (one) => one.status,
      shown: (one) => {
        const [word, tag] = STATUS[one.status] ?? [one.status, 'tag']
        return (
          <>
            <span className={tag}>{word}</span>
            {one.status === 'pending' && (
              <span className="label wide-only"> until {dateText(one.expires_at, zone)}</span>
            )}
          </>
        )
      },
    },
    { id: 'expires_at', title: 'Ends', value: (one) => one.expires_at, hidden: true, written: true },
    { id: 'id', title: 'Id', value: (one) => one.id, hidden: true, written: true },
  ]
}

function Invite({ close, made }: { close: () => void; made: (one: InvitationMade) => void }) {
  const queries = useQueryClient()
  const session = useSession()
  const mails = useOrganization()?.mails ?? false
  const { busy, problem, act } = useDoing()
  const [role, setRole] = useState<Role>('member')
  const [teams, setTeams] = useState<string[]>(session.role === 'manager' ? session.teams.slice(0, 1) : [])
  const [days, setDays] = useState('7')
  const [mail, setMail] = useState(true)
  const submit = (email: string) =>
    act(async () => {
      const one = (
        await postInvitations({
          body: {
            email,
            role,
            teams: OF_TEAMS.includes(role) ? teams : [],
            days: Number(days),
            mail: mails && mail,
          },
          throwOnError: true,
        })
      ).data
      await queries.invalidateQueries({ queryKey: ['invitations'] })
      made(one)
    })
  return (
    <Modal opened onClose={close} title="Invite somebody" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          submit(String(new FormData(event.currentTarget).get('email') ?? '').trim())
        }}
      >
        <Stack>
          <TextInput label="E-mail" name="email" type="email" required maxLength={254} data-autofocus />
          <MembershipFields role={role} setRole={setRole} teams={teams} setTeams={setTeams} />
          <Select
            label="The link works for"
            data={[
              { value: '1', label: 'A day' },
              { value: '7', label: '7 days' },
              { value: '30', label: '30 days' },
            ]}
            value={days}
            onChange={(value) => setDays(value ?? days)}
            allowDeselect={false}
          />
          {mails ? (
            <Checkbox
              label="Send the link by mail"
              checked={mail}
              onChange={(event) => setMail(event.currentTarget.checked)}
            />
          ) : (
            <p className="label">
              This installation sends no mail: the link is shown once, for you to pass on. Whoever runs it
              sets <code>alerts.smtp</code> and <code>server.public_url</code> to change that.
            </p>
          )}
          {problem && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Invite
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function Made({ invitation, close }: { invitation: InvitationMade; close: () => void }) {
  return (
    <Modal
      opened
      onClose={close}
      title={
        invitation.mailed
          ? `The link is on its way to ${invitation.email}`
          : `The link for ${invitation.email}`
      }
      size="xl"
      closeOnClickOutside={false}
    >
      <Stack>
        {invitation.mail_fault && <Said>It was not mailed: {invitation.mail_fault}</Said>}
        <div className="once">
          <code data-link>{invitation.link}</code>
          <CopyThis text={invitation.link}>Copy link</CopyThis>
        </div>
        <p className="soft">
          It is shown this once, works once, and only for that address. Whoever has it can join as{' '}
          {invitation.email}, so pass it on to them alone.
        </p>
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  )
}

function Withdraw({ invitation, close }: { invitation: InvitationShown; close: () => void }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const go = async () => {
    const done = await act(async () => {
      await deleteInvitationsInvitationId({ path: { invitation_id: invitation.id }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: ['invitations'] })
      notifications.show({ message: `The invitation of ${invitation.email} is withdrawn.` })
    })
    if (done) close()
  }
  return (
    <Confirm
      title="Withdraw this invitation"
      name={invitation.email}
      verb="Withdraw invitation"
      busy={busy}
      close={close}
      go={go}
      fault={problem && <Fault problem={problem} />}
    >
      The link opens nothing any more. They can be invited again.
    </Confirm>
  )
}
