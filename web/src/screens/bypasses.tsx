// Broken glass: for a while policies do nothing to somebody's calls. Who did it, why and until when stands in the ledger.
import { Button, Select } from '@mantine/core'
import { useState } from 'react'
import { deletePoliciesBypassesBypassId, postPoliciesBypasses } from '../api/sdk.gen'
import type { Bypass, Policy } from '../api/types.gen'
import type { Kind } from '../budgets'
import { Book } from '../parts/Book'
import { FormDialog, Reason, useChange } from '../parts/FormDialog'
import { Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { type Scope, ScopeFields, scopeOf, scopeText } from '../parts/ScopeFields'
import { Fault } from '../parts/states'
import { atText } from '../parts/when'
import { onText, titleOf } from '../policies'
import { useSession, useZone } from '../session'

const HOUR_MS = 3_600_000
const ENDS = [
  { value: '1', label: 'For an hour' },
  { value: '4', label: 'For 4 hours' },
  { value: '24', label: 'For a day' },
  { value: '168', label: 'For 7 days, the longest there is' },
]

export function Bypasses({
  bypasses,
  policies,
  ends,
}: {
  bypasses: readonly Bypass[]
  policies: readonly Policy[]
  ends: boolean
}) {
  const { zone } = useZone()
  const who = useWho()
  const { busy, problem, send } = useChange('policies')
  if (!bypasses.length) return null
  const whose = (one: Bypass) => {
    if (one.policy === null) return 'every policy but stops'
    const policy = policies.find((known) => known.id === one.policy)
    return policy ? titleOf(policy) : `policy ${one.policy}`
  }
  const end = (one: Bypass) =>
    send(
      () => deletePoliciesBypassesBypassId({ path: { bypass_id: one.id }, throwOnError: true }),
      `Policies bind ${onText(one.on)} again.`,
      () => {},
    )
  return (
    <Section title="Passed by now" end="these calls are spared, and say so">
      {problem !== null && <Fault problem={problem} />}
      <Book
        caption="Bypasses"
        rows={bypasses}
        id={(one) => String(one.id)}
        columns={[
          { id: 'on', title: 'Whose calls', value: (one) => onText(one.on) },
          { id: 'policy', title: 'Pass by', value: whose },
          { id: 'reason', title: 'Why', value: (one) => one.reason, wide: true },
          {
            id: 'until',
            title: 'Until',
            value: (one) => one.until,
            shown: (one) => atText(one.until, zone),
          },
          { id: 'by', title: 'By', value: (one) => who(one.set_by), wide: true },
          {
            id: 'act',
            title: 'End',
            value: () => null,
            unsorted: true,
            unnamed: true,
            shown: (one) =>
              ends ? (
                <Button
                  variant="subtle"
                  size="xs"
                  loading={busy}
                  onClick={() => end(one)}
                  aria-label={`End the bypass of ${onText(one.on)}`}
                >
                  End now
                </Button>
              ) : null,
          },
        ]}
      />
    </Section>
  )
}

/** `policy`: the only one that is passed by; else all but stops. */
export function NewBypass({ policy, close }: { policy?: Policy; close: () => void }) {
  const manages = useSession().role === 'manager'
  const [scope, setScope] = useState<Scope>(scopeOf(policy?.on ?? '') ?? { kind: 'team', value: '' })
  const [until, setUntil] = useState('4')
  const { busy, problem, send } = useChange('policies')
  const kinds: readonly Kind[] = ['team', 'project', 'key']
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        postPoliciesBypasses({
          body: {
            on: scopeText(scope),
            reason: text('reason'),
            until: new Date(Date.now() + Number(until) * HOUR_MS).toISOString(),
            ...(policy ? { policy: policy.id } : {}),
          },
          throwOnError: true,
        }),
      `${onText(scopeText(scope))} passes by ${policy ? titleOf(policy) : 'every policy'} from now on.`,
      close,
    )
  return (
    <FormDialog
      title={policy ? `Let somebody pass by ${titleOf(policy)}` : 'Let somebody pass by all policies'}
      verb="Break the glass"
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
      ready={scope.kind === 'org' || scope.value.trim() !== ''}
    >
      <p className="soft">
        {policy ? 'This policy does' : 'Policies do'} nothing to these calls until then; each says what it was
        spared.
        {!policy && ' Stops are not passed by.'}
      </p>
      <ScopeFields scope={scope} choose={setScope} {...(manages ? { kinds } : {})} />
      <Select
        label="How long"
        data={ENDS}
        value={until}
        onChange={(chosen) => setUntil(chosen ?? until)}
        allowDeselect={false}
      />
      <Reason />
    </FormDialog>
  )
}
