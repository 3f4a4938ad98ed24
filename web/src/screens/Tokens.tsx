// Personal access tokens: what one's own programs come with. Owners and admins see and end everybody's.
import {
  Button,
  Group,
  Menu,
  Modal,
  MultiSelect,
  Radio,
  Select,
  Stack,
  Switch,
  TextInput,
} from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { deleteTokensTokenId, getTokens, postTokens } from '../api/sdk.gen'
import type { TokenMade, TokenShown } from '../api/types.gen'
import type { Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { CopyThis, Snippet } from '../parts/Copy'
import { ListActions } from '../parts/ListActions'
import { Listing } from '../parts/Listing'
import { says, useList } from '../parts/list'
import { useEmails } from '../parts/people'
import { Settings } from '../parts/Settings'
import { Empty, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { dateText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import type { TokenSearch } from './settingssearch'

const ENDS = [
  { value: '7', label: 'In 7 days' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '366', label: 'In a year' },
]
const DAY_MS = 86_400_000
// What is asked for to the second must not be past the year by the time it arrives.
const SLACK_MS = 60_000

export default function Tokens() {
  const search = useSearch({ from: '/o/$slug/settings/tokens' })
  const navigate = useNavigate({ from: '/o/$slug/settings/tokens' })
  const set = (more: { [name in keyof TokenSearch]: TokenSearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: TokenSearch) => ({ ...before, ...more }) as TokenSearch, replace })
  const session = useSession()
  const { zone } = useZone()
  const all = may(session, 'owner', 'admin', 'auditor')
  const [made, setMade] = useState<TokenMade | null>(null)
  const [ending, setEnding] = useState<TokenShown | null>(null)
  const emails = useEmails(all)
  const list = useList(
    ['tokens'],
    async (page) => (await getTokens({ query: page, throwOnError: true })).data,
  )
  const passes = (token: TokenShown) =>
    (search.ended || token.status === 'active') &&
    says(search.q, [token.name, token.id, token.preview, token.scopes.join(' '), emails.of(token.account)])
  const shown = list.items.filter(passes)
  const ended = list.items.filter((token) => token.status !== 'active').length
  const columns = useMemo(() => columnsOf(zone, all ? emails.of : null), [zone, all, emails.of])
  const create = () => set({ new: true }, false)
  return (
    <Settings
      title="Access tokens"
      question="What do programs of people come with?"
      actions={
        <ListActions name="tokens" {...{ columns, list, passes }} add={create}>
          Create token
        </ListActions>
      }
    >
      <Listing
        title="Tokens"
        list={list}
        rows={shown}
        columns={columns}
        id={(token) => token.id}
        named={nameOf}
        sort={search.sort ?? '-created_at'}
        onSort={(sort) => set({ sort })}
        ended={(token) => token.status !== 'active'}
        search={{ text: search.q, of: all ? 'name, scope, person' : 'name, scope', set: (q) => set({ q }) }}
        filters={
          ended > 0 && (
            <Switch
              label={`Ended tokens (${ended})`}
              checked={search.ended ?? false}
              onChange={(event) => set({ ended: event.currentTarget.checked || undefined })}
            />
          )
        }
        clear={() => navigate({ search: { ended: true } })}
        empty={
          <Empty title="No tokens yet" action={<Button onClick={create}>Create the first token</Button>}>
            A script that reads spend or makes keys comes with a token: it opens what you name, never more
            than your role does, and ends by itself. No call to a model can be made with it.
          </Empty>
        }
        menu={(token) =>
          token.status === 'active' &&
          (token.account === session.account.id || may(session, 'owner', 'admin')) && (
            <Menu.Item color="var(--red)" onClick={() => setEnding(token)}>
              Revoke…
            </Menu.Item>
          )
        }
      />
      {search.new && (
        <NewToken
          close={() => set({ new: undefined })}
          made={(token) => {
            setMade(token)
            set({ new: undefined })
          }}
        />
      )}
      {made && <Made token={made} close={() => setMade(null)} />}
      {ending && <Revoke token={ending} close={() => setEnding(null)} />}
    </Settings>
  )
}

const nameOf = (token: TokenShown) => token.name || token.preview

function columnsOf(zone: string, whose: ((id: string) => string) | null): Column<TokenShown>[] {
  return [
    {
      id: 'name',
      title: 'Name',
      value: nameOf,
      shown: (token) => <span className="name">{nameOf(token)}</span>,
    },
    {
      id: 'preview',
      title: 'Token',
      value: (token) => token.preview,
      shown: (token) => <code>{token.preview}</code>,
      wide: true,
    },
    ...(whose
      ? [{ id: 'account', title: 'Whose', value: (token: TokenShown) => whose(token.account), wide: true }]
      : []),
    { id: 'scopes', title: 'Opens', value: (token) => token.scopes.join(' '), wide: true },
    {
      id: 'created_at',
      title: 'Created',
      value: (token) => token.created_at,
      shown: (token) => dateText(token.created_at, zone),
      wide: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (token) => token.status,
      shown: (token) => (
        <>
          <span className={token.status === 'active' ? 'tag green' : 'tag'}>{STATUS[token.status]}</span>
          <span className="label">
            {' '}
            {token.status === 'active' ? 'until ' : ''}
            {dateText(token.revoked_at ?? token.expires_at, zone)}
          </span>
        </>
      ),
    },
    { id: 'id', title: 'Id', value: (token) => token.id, hidden: true, written: true },
  ]
}

const STATUS: { [status: string]: string } = { active: 'Active', expired: 'Expired', revoked: 'Revoked' }

type Reach = 'read' | 'write' | 'some'

function NewToken({ close, made }: { close: () => void; made: (token: TokenMade) => void }) {
  const queries = useQueryClient()
  const session = useSession()
  const { busy, problem, act } = useDoing()
  const [reach, setReach] = useState<Reach>('read')
  const [some, setSome] = useState<string[]>([])
  const [ends, setEnds] = useState('90')
  const open = useQuery({
    queryKey: ['tokens', 'scopes'],
    queryFn: async () => (await getTokens({ query: { limit: 1 }, throwOnError: true })).data.scopes,
  })
  const writes = open.data?.includes('write') ?? false
  const submit = (name: string) =>
    act(async () => {
      const ended = new Date(Date.now() + Number(ends) * DAY_MS - SLACK_MS).toISOString()
      const token = (
        await postTokens({
          body: { name, scopes: reach === 'some' ? some : [reach], expires_at: ended },
          throwOnError: true,
        })
      ).data
      await queries.invalidateQueries({ queryKey: ['tokens'] })
      made(token)
    })
  return (
    <Modal opened onClose={close} title="Create a token" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          submit(String(new FormData(event.currentTarget).get('name') ?? '').trim())
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            name="name"
            description="Which program comes with it: “nightly report”."
            required
            maxLength={256}
            data-autofocus
          />
          <Radio.Group
            label="Opens"
            description={`Never more than your role does at that moment (${session.role}).`}
            value={reach}
            onChange={(value) => setReach(value as Reach)}
          >
            <Stack gap="xs" mt="xs">
              <Radio value="read" label="What I may see, to read" />
              {writes && <Radio value="write" label="What I may do, to read and change" />}
              <Radio value="some" label="Only some of it" />
            </Stack>
          </Radio.Group>
          {reach === 'some' && (
            <MultiSelect
              label="Scopes"
              data={(open.data ?? []).filter((scope) => scope.includes(':'))}
              value={some}
              onChange={setSome}
              placeholder={some.length ? '' : 'metrics:read, keys:write …'}
              searchable
              required
            />
          )}
          <Select
            label="Ends"
            data={ENDS}
            value={ends}
            onChange={(value) => setEnds(value ?? ends)}
            allowDeselect={false}
          />
          {(problem ?? open.error) && <Fault problem={problem ?? open.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={reach === 'some' && !some.length}>
              Create token
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function Made({ token, close }: { token: TokenMade; close: () => void }) {
  const line = `curl -H 'Authorization: Bearer ${token.token}' ${window.location.origin}/api/metrics/overview`
  return (
    <Modal
      opened
      onClose={close}
      title={`${nameOf(token)} is ready`}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack>
        <div className="once">
          <code data-token>{token.token}</code>
          <CopyThis text={token.token}>Copy token</CopyThis>
        </div>
        <p className="soft">This is the only time it is shown: what is kept of it is a hash.</p>
        <Snippet text={line} what="the line" />
        <Group justify="flex-end">
          <Button onClick={close}>I have stored it</Button>
        </Group>
      </Stack>
    </Modal>
  )
}

function Revoke({ token, close }: { token: TokenShown; close: () => void }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const go = async () => {
    const done = await act(async () => {
      await deleteTokensTokenId({ path: { token_id: token.id }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: ['tokens'] })
      notifications.show({ message: `${nameOf(token)} is revoked.` })
    })
    if (done) close()
  }
  return (
    <Confirm
      title="Revoke this token"
      name={nameOf(token)}
      verb="Revoke token"
      busy={busy}
      close={close}
      go={go}
      fault={problem && <Fault problem={problem} />}
    >
      What comes with <code>{token.preview}</code> is refused from the next request on, for good.
    </Confirm>
  )
}
