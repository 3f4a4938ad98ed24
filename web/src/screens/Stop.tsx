// The kill switch: stop whoever must not make calls now, see who is stopped, and let them through again. One form and one
// list, so that a phone is enough at night.
import { Button, Checkbox, Group, Modal, Select, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { deletePoliciesPolicyId, postPolicies, postPoliciesDryRun } from '../api/sdk.gen'
import type { Policy } from '../api/types.gen'
import type { Kind } from '../budgets'
import { grouped, money } from '../money'
import { Confirm } from '../parts/Confirm'
import { useChange } from '../parts/FormDialog'
import { Page, Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { type Scope, ScopeFields, scopeOf, scopeText } from '../parts/ScopeFields'
import { Coming, Empty, Fault } from '../parts/states'
import { STOPPERS, useStops } from '../parts/stops'
import { atText } from '../parts/when'
import { onText, STOP, since } from '../policies'
import { may, useSession, useZone } from '../session'
import type { StopSearch } from './policysearch'

const KINDS: readonly Kind[] = [
  'team',
  'key',
  'org',
  'project',
  'user',
  'agent',
  'environment',
  'provider',
  'model',
]
const OF_A_MANAGER: readonly Kind[] = ['team', 'key', 'project']
const FOR_GOOD = ''
const ENDS = [
  { value: FOR_GOOD, label: 'Until somebody lets them through' },
  { value: '15', label: 'For 15 minutes' },
  { value: '60', label: 'For an hour' },
  { value: '240', label: 'For 4 hours' },
  { value: '1440', label: 'For a day' },
]
const MINUTE_MS = 60_000

export default function Stop() {
  const stops = useStops()
  const session = useSession()
  const stopsCalls = may(session, ...STOPPERS)
  return (
    <Page title="Stop calls" question="Who must not make calls right now?">
      {stops.error ? (
        <Fault problem={stops.error} retry={stops.refetch} />
      ) : stops.isPending ? (
        <Coming rows={3} />
      ) : (
        <Section
          title="Stopped now"
          end={stops.data.length ? 'every call of theirs is refused, on all gateways' : null}
        >
          {stops.data.length ? (
            <ul className="stops">
              {stops.data.map((stop) => (
                <Standing key={stop.id} stop={stop} lifts={stopsCalls} />
              ))}
            </ul>
          ) : (
            <p className="soft footnote">Nobody is stopped.</p>
          )}
        </Section>
      )}
      {stopsCalls ? (
        <Section title="Stop somebody">
          <Form manages={session.role === 'manager'} />
        </Section>
      ) : (
        <Empty title="Stopping is not open to your role">
          An owner, an admin or a team's manager can do it.
        </Empty>
      )}
    </Page>
  )
}

function Standing({ stop, lifts }: { stop: Policy; lifts: boolean }) {
  const { zone } = useZone()
  const who = useWho()
  const [asks, setAsks] = useState(false)
  const { busy, problem, send } = useChange('policies')
  const lift = () =>
    send(
      () => deletePoliciesPolicyId({ path: { policy_id: stop.id }, throwOnError: true }),
      `Calls of ${onText(stop.on)} go through again.`,
      () => setAsks(false),
    )
  return (
    <li>
      <div>
        <strong>{onText(stop.on)}</strong>
        {stop.parameters.now === true && <span className="tag red">running replies cut</span>}
        <div className="soft">{String(stop.parameters.reason ?? '') || 'No reason was given.'}</div>
        <div className="label">
          {since(stop.set_at, Date.now())}, {atText(stop.set_at, zone)}, by {who(stop.set_by)}
          {stop.ends_at && `; lets go by itself ${atText(stop.ends_at, zone)}`}
        </div>
      </div>
      {lifts && (
        <Button variant="default" onClick={() => setAsks(true)}>
          Let calls through
        </Button>
      )}
      {asks && (
        <Modal opened onClose={() => setAsks(false)} title={`Let calls of ${onText(stop.on)} through`}>
          <Stack>
            <p className="soft">From now on they are judged by the other policies and budgets alone.</p>
            {problem !== null && <Fault problem={problem} />}
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={() => setAsks(false)}>
                Cancel
              </Button>
              <Button onClick={lift} loading={busy} data-autofocus>
                Let calls through
              </Button>
            </Group>
          </Stack>
        </Modal>
      )}
    </li>
  )
}

function Form({ manages }: { manages: boolean }) {
  const { on } = useSearch({ from: '/o/$slug/stop' })
  const { slug } = useParams({ from: '/o/$slug/stop' })
  const navigate = useNavigate({ from: '/o/$slug/stop' })
  const kinds = manages ? OF_A_MANAGER : KINDS
  const scope = scopeOf(on ?? '') ?? { kind: 'team', value: '' }
  const [reason, setReason] = useState('')
  const [ends, setEnds] = useState(FOR_GOOD)
  const [now, setNow] = useState(false)
  const [asks, setAsks] = useState(false)
  const { busy, problem, send } = useChange('policies')
  const choose = (chosen: Scope) =>
    navigate({
      search: (): StopSearch => ({ on: scopeText({ ...chosen, value: chosen.value.trimStart() }) }),
      replace: true,
    })
  const ready = (scope.kind === 'org' || scope.value.trim() !== '') && reason.trim() !== ''
  const go = () =>
    send(
      () =>
        postPolicies({
          body: {
            kind: STOP,
            on: scopeText(scope),
            parameters: { reason: reason.trim(), ...(now ? { now: true } : {}) },
            ...(ends ? { ends_at: new Date(Date.now() + Number(ends) * MINUTE_MS).toISOString() } : {}),
          },
          throwOnError: true,
        }),
      `Stopped: ${onText(scopeText(scope))}.`,
      () => {
        setAsks(false)
        setReason('')
        navigate({ search: {} })
      },
    )
  return (
    <form
      className="narrow"
      onSubmit={(event) => {
        event.preventDefault()
        if (ready) setAsks(true)
      }}
    >
      <Stack>
        <ScopeFields scope={scope} choose={choose} kinds={kinds} each={false} />
        <TextInput
          label="Reason"
          description="Their callers are told, and it stands in the ledger."
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          placeholder="leaked key, incident 4711"
          maxLength={256}
          required
        />
        <Select
          label="How long"
          data={ENDS}
          value={ends}
          onChange={(chosen) => setEnds(chosen ?? FOR_GOOD)}
          allowDeselect={false}
        />
        <Checkbox
          label="Cut running replies too"
          description="Else they end by themselves; what they cost until then is booked either way."
          checked={now}
          onChange={(event) => setNow(event.currentTarget.checked)}
        />
        <Group>
          <Button type="submit" color="alarm" disabled={!ready}>
            Stop calls…
          </Button>
        </Group>
      </Stack>
      {asks && (
        <Confirm
          title={`Stop ${onText(scopeText(scope))}`}
          name={scope.kind === 'org' ? slug : scope.value.trim()}
          verb="Stop calls"
          busy={busy}
          close={() => setAsks(false)}
          go={go}
          fault={problem !== null && <Fault problem={problem} />}
        >
          Every new call is refused from the moment this is done. <LastDay on={scopeText(scope)} />
        </Confirm>
      )}
    </form>
  )
}

/** What it would have hit: says at once when a scope is misspelt. */
function LastDay({ on }: { on: string }) {
  const { data } = useQuery({
    queryKey: ['policies', 'last day', on],
    queryFn: async () =>
      (await postPoliciesDryRun({ query: { days: 1 }, body: { kind: STOP, on }, throwOnError: true })).data,
  })
  if (!data) return null
  return data.would_stop ? (
    <strong>
      In the last day that were {grouped(data.would_stop)} {data.would_stop === 1 ? 'call' : 'calls'},{' '}
      {money(data.saved_nanos as unknown as string)}.
    </strong>
  ) : (
    <strong>In the last day nobody there made a call; look whether the name is right.</strong>
  )
}
