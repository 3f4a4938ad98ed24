// Asking for an envelope, signing or declining it, topping it up, moving what it has, a cheaper model near its end, and its
// end. Amounts go out as they were typed: the server reads and bounds them.
import { Button, Checkbox, Group, Select, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import {
  deleteEnvelopesEnvelopeIdFallback,
  getEnvelopes,
  postEnvelopes,
  postEnvelopesEnvelopeIdDecline,
  postEnvelopesEnvelopeIdEnd,
  postEnvelopesEnvelopeIdSign,
  postEnvelopesEnvelopeIdTopUps,
  postEnvelopesTransfers,
  putEnvelopesEnvelopeIdFallback,
} from '../api/sdk.gen'
import type { Envelope } from '../api/types.gen'
import { type Kind, scopeOf as scopeSaid } from '../budgets'
import { SIGNERS, titleOf } from '../envelopes'
import { Confirm } from '../parts/Confirm'
import { FormDialog, Reason, useChange } from '../parts/FormDialog'
import { type Scope, ScopeFields, scopeOf } from '../parts/ScopeFields'
import { SpentLately } from '../parts/SpentLately'
import { Fault } from '../parts/states'
import { lastDayText } from '../parts/when'
import { kindOf, parametersOf, Unreadable } from '../policies'
import { beginOf, plus, todayIn } from '../range'
import { may, useSession, useZone } from '../session'

export const KINDS: readonly Kind[] = [
  'team',
  'project',
  'key',
  'user',
  'agent',
  'environment',
  'cost_center',
  'org',
  'provider',
  'model',
]
export const OF_TEAMS: readonly Kind[] = ['team', 'project']
const MONTH = 30
const LIMIT_CHARS = 48

type Doing = { envelope: Envelope; close: () => void }

/** The last day on which it holds; it ends when that day does. */
function Until({
  name,
  label,
  value,
  required,
}: {
  name: string
  label: string
  value?: string
  required?: boolean
}) {
  const { zone } = useZone()
  return (
    <TextInput
      type="date"
      name={name}
      label={label}
      defaultValue={value}
      min={todayIn(zone)}
      required={required ?? false}
    />
  )
}

const endOf = (day: string, zone: string) => beginOf(plus(day, 1), zone)

export function AskForEnvelope({
  on,
  slug,
  close,
  made,
}: {
  on: string | undefined
  slug: string
  close: () => void
  made: (id: number) => void
}) {
  const session = useSession()
  const { zone } = useZone()
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  const [scope, setScope] = useState<Scope>(
    scopeOf(on ?? '') ?? {
      kind: 'team',
      value: session.teams.length === 1 ? (session.teams[0] as string) : '',
    },
  )
  const [signs, setSigns] = useState(false)
  const signer = may(session, ...SIGNERS)
  const ready = scope.kind === 'org' || scope.value.trim() !== ''
  const submit = (text: (name: string) => string) => {
    const starts = text('starts')
    return send(
      () =>
        postEnvelopes({
          body: {
            scope: scope.kind,
            value: scope.kind === 'org' ? '' : scope.value.trim(),
            amount: text('amount'),
            purpose: text('purpose'),
            evidence: text('evidence'),
            owner: text('owner'),
            ends_at: endOf(text('ends'), zone),
            ...(starts ? { starts_at: beginOf(starts, zone) } : {}),
            ...(signs ? { sign: true } : {}),
          },
          throwOnError: true,
        }),
      signs ? 'It is signed, and in force.' : 'It is asked for. Finance signs, edits or declines it.',
      (now) => made(now.id),
    )
  }
  return (
    <FormDialog
      title="Ask for an envelope"
      verb={signs ? 'Sign it now' : 'Ask for it'}
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
      ready={ready}
    >
      <ScopeFields scope={scope} choose={setScope} kinds={signer ? KINDS : OF_TEAMS} each={false} />
      {ready && <SpentLately kind={scope.kind} value={scope.value.trim()} slug={slug} />}
      <Group grow align="flex-start">
        <TextInput
          label="Amount"
          name="amount"
          placeholder="20000, or 20000 EUR"
          required
          maxLength={LIMIT_CHARS}
          data-autofocus
        />
        <TextInput
          type="date"
          name="starts"
          label="From"
          description="Today, if you say none"
          inputWrapperOrder={['label', 'input', 'description']}
        />
        <Until name="ends" label="Until the end of" value={plus(todayIn(zone), MONTH)} required />
      </Group>
      <TextInput label="What for" name="purpose" placeholder="the launch in March" required maxLength={256} />
      <Textarea
        label="Why so much"
        name="evidence"
        placeholder="What the figures above do not say: growth, a new feature, an offer"
        autosize
        minRows={2}
        maxLength={2000}
      />
      <TextInput label="Owner" name="owner" placeholder="Who answers for it" maxLength={256} />
      {signer && (
        <Checkbox
          label="Sign it at once"
          description="Granted by you, unasked; the signature is yours."
          checked={signs}
          onChange={(event) => setSigns(event.currentTarget.checked)}
        />
      )}
    </FormDialog>
  )
}

export function SignEnvelope({ envelope, close }: Doing) {
  const { zone } = useZone()
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  const submit = (text: (name: string) => string) => {
    const [amount, ends] = [text('amount'), text('ends')]
    return send(
      () =>
        postEnvelopesEnvelopeIdSign({
          path: { envelope_id: envelope.id },
          body: {
            comment: text('comment'),
            ...(amount && amount !== envelope.asked ? { amount } : {}),
            ...(ends ? { ends_at: endOf(ends, zone) } : {}),
          },
          throwOnError: true,
        }),
      'Signed, and in force. The signature stands in the ledger.',
      close,
    )
  }
  return (
    <FormDialog title={`Sign ${titleOf(envelope)}`} verb="Sign" {...{ busy, problem, close, submit }}>
      <p className="soft">
        From then on it is a hard budget: every call of {scopeSaid(envelope)} draws on it, and what does not
        fit is refused.
      </p>
      <Group grow align="flex-start">
        <TextInput
          label="Amount"
          name="amount"
          defaultValue={envelope.asked}
          description={`${envelope.asked} was asked for`}
          required
          maxLength={LIMIT_CHARS}
        />
        <TextInput
          type="date"
          name="ends"
          label="Until the end of"
          description={`Asked: until ${lastDayText(envelope.ends_at, zone)}`}
        />
      </Group>
      <TextInput label="Comment" name="comment" placeholder="less, for now" maxLength={256} />
    </FormDialog>
  )
}

export function DeclineEnvelope({ envelope, close }: Doing) {
  const { busy, problem, send } = useChange('envelopes')
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        postEnvelopesEnvelopeIdDecline({
          path: { envelope_id: envelope.id },
          body: { comment: text('comment') },
          throwOnError: true,
        }),
      'Declined.',
      close,
    )
  return (
    <FormDialog title={`Decline ${titleOf(envelope)}`} verb="Decline" {...{ busy, problem, close, submit }}>
      <TextInput label="Why not" name="comment" required maxLength={256} data-autofocus />
    </FormDialog>
  )
}

export function TopUpEnvelope({ envelope, close }: Doing) {
  const { zone } = useZone()
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  const submit = (text: (name: string) => string) => {
    const [by, ends] = [text('by'), text('ends')]
    return send(
      () =>
        postEnvelopesEnvelopeIdTopUps({
          path: { envelope_id: envelope.id },
          body: {
            reason: text('reason'),
            ...(by ? { by } : {}),
            ...(ends ? { ends_at: endOf(ends, zone) } : {}),
          },
          throwOnError: true,
        }),
      'Topped up, and in force.',
      close,
    )
  }
  return (
    <FormDialog title={`Top up ${titleOf(envelope)}`} verb="Top up" {...{ busy, problem, close, submit }}>
      <Group grow align="flex-start">
        <TextInput label="By" name="by" placeholder="2000" maxLength={LIMIT_CHARS} data-autofocus />
        <TextInput
          type="date"
          name="ends"
          label="Until the end of"
          description={`Now until ${lastDayText(envelope.ends_at, zone)}`}
          inputWrapperOrder={['label', 'input', 'description']}
        />
      </Group>
      <Reason />
    </FormDialog>
  )
}

export function MoveAllocation({ envelope, close }: Doing) {
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  const [target, setTarget] = useState<string | null>(null)
  const { data } = useQuery({
    queryKey: ['envelopes', 'active'],
    queryFn: async () => (await getEnvelopes({ query: { limit: 200 }, throwOnError: true })).data.items,
  })
  const others = (data ?? []).filter((one) => one.state === 'active' && one.id !== envelope.id)
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        postEnvelopesTransfers({
          body: {
            source: envelope.id,
            target: Number(target),
            amount: text('amount'),
            reason: text('reason'),
          },
          throwOnError: true,
        }),
      'Moved: one entry for each side, and together they are nothing.',
      close,
    )
  return (
    <FormDialog
      title={`Move money out of ${titleOf(envelope)}`}
      verb="Move"
      ready={target !== null}
      {...{ busy, problem, close, submit }}
    >
      <Select
        label="To"
        description="The envelope that it lies in, one that lies in it, or a neighbour in the same"
        data={others.map((one) => ({ value: String(one.id), label: titleOf(one) }))}
        value={target}
        onChange={setTarget}
        placeholder={others.length ? 'An envelope' : 'No other envelope is active'}
        required
      />
      <TextInput label="Amount" name="amount" placeholder="500" required maxLength={LIMIT_CHARS} />
      <Reason />
    </FormDialog>
  )
}

export function FallBack({ envelope, close }: Doing) {
  const { busy, problem, send, fail } = useChange('envelopes', 'policies')
  const before = envelope.fallback
  const lines = Object.entries(before?.models ?? {}).map(([from, to]) => `${from} = ${to}`)
  const submit = (text: (name: string) => string) => {
    try {
      const kind = kindOf('downgrade')
      const read = parametersOf(kind, { at_percent: text('at'), models: text('models') })
      return send(
        () =>
          putEnvelopesEnvelopeIdFallback({
            path: { envelope_id: envelope.id },
            body: { models: read.models as Record<string, string>, at_percent: read.at_percent as number },
            throwOnError: true,
          }),
        'From that share on, calls go to the cheaper models.',
        close,
      )
    } catch (found) {
      if (!(found instanceof Unreadable)) throw found
      fail(found)
    }
  }
  const remove = () =>
    send(
      () => deleteEnvelopesEnvelopeIdFallback({ path: { envelope_id: envelope.id }, throwOnError: true }),
      'Every call keeps its model.',
      close,
    )
  return (
    <FormDialog title="Cheaper models near its end" verb="Save" {...{ busy, problem, close, submit }}>
      <p className="soft">Answers say which model it was, and what it did cost is what is booked.</p>
      <TextInput
        label="From"
        name="at"
        defaultValue={String(before?.at_percent ?? 80)}
        rightSection={<span className="label nowrap">% spent</span>}
        rightSectionWidth={72}
        required
      />
      <Textarea
        label="Instead of"
        name="models"
        description="One a line: the model asked for, and the cheaper one of the same provider"
        defaultValue={lines.join('\n')}
        placeholder="gpt-4o* = gpt-4o-mini"
        autosize
        minRows={2}
        required
      />
      {before && (
        <Group>
          <Button variant="subtle" size="xs" onClick={remove} loading={busy}>
            Let every call keep its model
          </Button>
        </Group>
      )}
    </FormDialog>
  )
}

export function EndEnvelope({ envelope, close }: Doing) {
  const { busy, problem, send } = useChange('envelopes', 'budgets')
  const name = envelope.value || 'org'
  return (
    <Confirm
      title={`End ${titleOf(envelope)} now`}
      name={name}
      verb="End envelope"
      busy={busy}
      close={close}
      fault={problem !== null && <Fault problem={problem} />}
      go={() =>
        send(
          () => postEnvelopesEnvelopeIdEnd({ path: { envelope_id: envelope.id }, throwOnError: true }),
          'It is ended. What it counted stays in the ledger.',
          close,
        )
      }
    >
      From now on nothing is drawn on it. Where {scopeSaid(envelope)} may spend only with an envelope, its
      calls are refused.
    </Confirm>
  )
}
