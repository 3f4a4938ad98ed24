// A policy is chosen, said, tried on the calls of the last days, and then set: in this order, unless somebody insists.
import { Button, Group, SegmentedControl, Select, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { getPoliciesPolicyId, postPolicies, postPoliciesDryRun } from '../api/sdk.gen'
import type { NewPolicy, OnePolicy } from '../api/types.gen'
import type { Kind } from '../budgets'
import { useChange } from '../parts/FormDialog'
import { Page } from '../parts/Page'
import { type Scope, ScopeFields, scopeOf, scopeText } from '../parts/ScopeFields'
import { Coming, Empty, Fault } from '../parts/states'
import { STOPPERS } from '../parts/stops'
import { atText } from '../parts/when'
import {
  type Filled,
  filledOf,
  kindOf,
  onText,
  POLICY_KINDS,
  POLICY_MODES,
  type PolicyMode,
  parametersOf,
  STOP,
  Unreadable,
} from '../policies'
import { may, useSession, useZone } from '../session'
import { DryRunShown } from './dryrun'
import { PolicyFields } from './policyfields'
import { DAYS, type EditorSearch } from './policysearch'

const OF_THE_ORGANISATION = new Set(['delegation', 'failover'])
const OF_A_MANAGER: readonly Kind[] = ['team', 'project', 'key']
const MODES = Object.entries(POLICY_MODES).map(([value, label]) => ({ value, label }))
const DAY_MS = 86_400_000
const AS_IT_IS = 'as it is'
const ENDS = [
  { value: '', label: 'Stays until it is removed' },
  { value: '7', label: 'For 7 days' },
  { value: '30', label: 'For 30 days' },
  { value: '90', label: 'For 90 days' },
]

export default function PolicyEditor() {
  const { kind, id } = useSearch({ from: '/o/$slug/policies/set' })
  const { slug } = useParams({ from: '/o/$slug/policies/set' })
  const sets = may(useSession(), ...STOPPERS)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['policies', 'one', String(id)],
    queryFn: async () =>
      (await getPoliciesPolicyId({ path: { policy_id: id as number }, throwOnError: true })).data,
    enabled: id !== undefined,
  })
  const known = data ? kindOf(data.kind) : kind ? kindOf(kind) : null
  return (
    <Page
      title={id ? 'Change a policy' : 'Set a policy'}
      question={known?.does ?? 'What shall be refused, changed or slowed down?'}
      actions={
        <Link to="/o/$slug/policies" params={{ slug }}>
          All policies
        </Link>
      }
    >
      {!sets ? (
        <Empty title="Policies are not yours to set">An owner, an admin or a team's manager can do it.</Empty>
      ) : id && error ? (
        <Fault problem={error} retry={refetch} />
      ) : id && isPending ? (
        <Coming />
      ) : known ? (
        <Editor key={`${known.kind} ${id}`} kind={known.kind} {...(data ? { before: data } : {})} />
      ) : (
        <Kinds slug={slug} />
      )}
    </Page>
  )
}

function Kinds({ slug }: { slug: string }) {
  const manages = useSession().role === 'manager'
  const search = useSearch({ from: '/o/$slug/policies/set' })
  return (
    <ul className="kinds">
      {POLICY_KINDS.filter((one) => !(manages && OF_THE_ORGANISATION.has(one.kind))).map((one) => (
        <li key={one.kind}>
          {one.kind === STOP ? (
            <Link to="/o/$slug/stop" params={{ slug }}>
              {one.name} somebody now
            </Link>
          ) : (
            <Link to="/o/$slug/policies/set" params={{ slug }} search={{ ...search, kind: one.kind }}>
              {one.name}
            </Link>
          )}
          <span className="soft">{one.does}</span>
        </li>
      ))}
    </ul>
  )
}

function Editor({ kind: named, before }: { kind: string; before?: OnePolicy }) {
  const kind = kindOf(named)
  const search = useSearch({ from: '/o/$slug/policies/set' })
  const { slug } = useParams({ from: '/o/$slug/policies/set' })
  const navigate = useNavigate({ from: '/o/$slug/policies/set' })
  const manages = useSession().role === 'manager'
  const days = search.days ?? DAYS[0]
  const [scope, setScope] = useState<Scope>(
    scopeOf(before?.on ?? search.on ?? '') ??
      (manages ? { kind: 'team', value: '' } : { kind: 'org', value: '' }),
  )
  const [filled, fill] = useState<Filled>(filledOf(kind, before?.parameters ?? {}))
  const [mode, setMode] = useState<PolicyMode>((before?.mode as PolicyMode) ?? 'enforce')
  const [words, setWords] = useState({
    name: before?.name ?? '',
    owner: before?.owner ?? '',
    note: before?.note ?? '',
  })
  const [ends, setEnds] = useState(before?.ends_at ? AS_IT_IS : '')
  const [tried, setTried] = useState('')
  const { busy, problem, send, fail } = useChange('policies')

  const rule = useMemo(() => ruleOf(kind.kind, scope, filled), [kind.kind, scope, filled])
  const asked = rule.said && JSON.stringify([rule.said, days])
  const trial = useQuery({
    queryKey: ['policies', 'dry run', tried],
    queryFn: async () => {
      const [body, over] = JSON.parse(tried) as [NewPolicy, number]
      return (await postPoliciesDryRun({ query: { days: over }, body, throwOnError: true })).data
    },
    enabled: tried !== '',
    staleTime: 60_000,
  })
  const isTried = tried !== '' && tried === asked && trial.data !== undefined
  const attempt = () => {
    fail(rule.fault)
    if (asked) setTried(asked)
  }
  const set = () => {
    fail(rule.fault)
    if (!rule.said) return
    const body: NewPolicy = { ...rule.said, mode, ...words, ...spanOf(ends, before) }
    send(
      () => postPolicies({ body, throwOnError: true }),
      before ? 'The change is in force.' : 'The policy is set, and in force from now on.',
      (now) => navigate({ to: '/o/$slug/policies/$id', params: { slug, id: String(now.id) } }),
    )
  }
  const verb = before ? 'Save changes' : mode === 'observe' ? 'Set, to observe' : 'Set policy'
  return (
    <div className="two editor">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isTried) set()
          else attempt()
        }}
      >
        <Stack>
          {before ? (
            <Kept name="On">
              {onText(before.on)}
              {before.name && `, called ${before.name}`}
            </Kept>
          ) : (
            <ScopeFields scope={scope} choose={setScope} {...(manages ? { kinds: OF_A_MANAGER } : {})} />
          )}
          <PolicyFields kind={kind} filled={filled} fill={fill} />
          <Select
            label="Mode"
            data={MODES}
            value={mode}
            onChange={(chosen) => setMode((chosen ?? mode) as PolicyMode)}
            allowDeselect={false}
          />
          <Ends ends={ends} choose={setEnds} {...(before ? { before } : {})} />
          <Words words={words} say={setWords} named={before === undefined} />
          {problem !== null &&
            (problem instanceof Unreadable ? (
              <p className="said" role="alert">
                {problem.message}
              </p>
            ) : (
              <Fault problem={problem} />
            ))}
          <Group gap="xs">
            {isTried ? (
              <Button type="submit" loading={busy}>
                {verb}
              </Button>
            ) : (
              <>
                <Button type="submit" loading={trial.isFetching}>
                  Try it on the last {days} days
                </Button>
                <Button variant="subtle" onClick={set} loading={busy}>
                  {verb} without trying
                </Button>
              </>
            )}
          </Group>
        </Stack>
      </form>
      <section aria-label="What it would have done" aria-live="polite">
        <Group justify="space-between" mb="sm">
          <span className="label">Tried on the calls of the last</span>
          <SegmentedControl
            size="xs"
            data={DAYS.map((one) => ({ value: String(one), label: `${one} days` }))}
            value={String(days)}
            onChange={(chosen) =>
              navigate({
                search: ({ days: _, ...rest }: EditorSearch) =>
                  Number(chosen) === DAYS[0] ? rest : { ...rest, days: Number(chosen) },
                replace: true,
              })
            }
          />
        </Group>
        {trial.error ? (
          <Fault problem={trial.error} retry={trial.refetch} />
        ) : trial.isFetching ? (
          <Coming rows={4} />
        ) : trial.data ? (
          <div className={isTried ? undefined : 'outdated'}>
            {!isTried && <p className="label">You changed it since; try it again.</p>}
            <DryRunShown run={trial.data} kind={kind.kind} slug={slug} />
          </div>
        ) : (
          <p className="soft">
            Nothing is set yet. Trying says whom it would have refused and what those calls cost, decided by
            the rules that judge live calls. It changes nothing.
          </p>
        )}
      </section>
    </div>
  )
}

type Rule = { said: NewPolicy; fault: null } | { said: null; fault: Unreadable }

function ruleOf(kind: string, scope: Scope, filled: Filled): Rule {
  try {
    if (scope.kind !== 'org' && !scope.value.trim()) throw new Unreadable('Say on which it is.')
    return {
      said: { kind, on: scopeText(scope), parameters: parametersOf(kindOf(kind), filled) },
      fault: null,
    }
  } catch (found) {
    if (found instanceof Unreadable) return { said: null, fault: found }
    throw found
  }
}

/** A change that says nothing of begin and end would take them away. */
function spanOf(ends: string, before?: OnePolicy): Pick<NewPolicy, 'starts_at' | 'ends_at'> {
  const ends_at =
    ends === AS_IT_IS
      ? before?.ends_at
      : ends
        ? new Date(Date.now() + Number(ends) * DAY_MS).toISOString()
        : null
  return { ...(before?.starts_at ? { starts_at: before.starts_at } : {}), ...(ends_at ? { ends_at } : {}) }
}

function Kept({ name, children }: { name: string; children: ReactNode }) {
  return (
    <p>
      <span className="label">{name} </span>
      {children}
      <span className="label"> · another scope or name is another policy</span>
    </p>
  )
}

function Ends({
  ends,
  choose,
  before,
}: {
  ends: string
  choose: (ends: string) => void
  before?: OnePolicy
}) {
  const { zone } = useZone()
  const kept = before?.ends_at
    ? [{ value: AS_IT_IS, label: `Until ${atText(before.ends_at, zone)}, as it is` }]
    : []
  return (
    <Select
      label="How long"
      data={[...kept, ...ENDS]}
      value={ends}
      onChange={(chosen) => choose(chosen ?? '')}
      allowDeselect={false}
    />
  )
}

type Said = { name: string; owner: string; note: string }

function Words({ words, say, named }: { words: Said; say: (words: Said) => void; named: boolean }) {
  const field = (name: keyof Said, label: string, placeholder: string) => (
    <TextInput
      label={label}
      value={words[name]}
      onChange={(event) => say({ ...words, [name]: event.currentTarget.value })}
      placeholder={placeholder}
      maxLength={256}
    />
  )
  return (
    <>
      <Group grow align="flex-start">
        {named && field('name', 'Called', 'If there are several')}
        {field('owner', 'Owner', 'Who answers for it')}
      </Group>
      {field('note', 'Note', 'Why it is there')}
    </>
  )
}
