// On whose account one call was: every label that it was booked on, each leading to the calls with the same, and whether the
// key says it, the caller did, or nobody did; and what policies did to it.
import { Link } from '@tanstack/react-router'
import type { CallDocument } from '../calls'
import { CUSTOM, type Filter } from '../filters'
import { Fact } from '../parts/Figure'
import { useKeyNames } from '../parts/keynames'
import { Section } from '../parts/Page'
import { may, useSession } from '../session'

const ATTRIBUTES: [string, string][] = [
  ['team', 'Team'],
  ['project', 'Project'],
  ['user', 'User'],
  ['agent', 'Agent'],
  ['environment', 'Environment'],
  ['cost_center', 'Cost centre'],
  ['prompt_key', 'Prompt'],
  ['prompt_version', 'Prompt version'],
]
/** Among what a caller claimed: that nobody named the version, and the prompt's active one was taken. */
const ASSUMED = 'assumed.'

type Label = { name: string; title: string; filters: Filter[]; text: string }

export function Account({ call, slug }: { call: CallDocument; slug: string }) {
  const { attribution } = call
  const key = attribution?.key_id
  const nameOfKey = useKeyNames(key ? [key] : [])
  const sees = may(useSession(), 'owner', 'admin', 'manager', 'member', 'auditor')
  const says = (name: string) =>
    attribution?.claimed.includes(ASSUMED + name)
      ? ' assumed: it is the active one'
      : attribution?.claimed.includes(name)
        ? ' said by the caller'
        : ''
  return (
    <Section title="On whose account">
      <dl className="facts">
        {key && (
          <Fact name="Key">
            {sees ? (
              <Link to="/o/$slug/keys/$id" params={{ slug, id: key }}>
                {nameOfKey(key)}
              </Link>
            ) : (
              <Link to="/o/$slug/requests" params={{ slug }} search={{ key }}>
                {nameOfKey(key)}
              </Link>
            )}
          </Fact>
        )}
        {labelsOf(call).map(({ name, title, filters, text }) => (
          <Fact key={`${name} ${text}`} name={title}>
            <Link to="/o/$slug/requests" params={{ slug }} search={{ filters }}>
              {text}
            </Link>
            <span className="label">{says(name)}</span>
          </Fact>
        ))}
      </dl>
    </Section>
  )
}

function labelsOf({ attribution }: CallDocument): Label[] {
  if (!attribution) return []
  const is = (dimension: string, value: string): Filter => ({ dimension, test: 'is', values: [value] })
  const named = [...ATTRIBUTES, ['session', attribution.agent ? 'Run' : 'Session'] as [string, string]]
  const prompt = attribution.prompt_key
  const labels = named.flatMap(([name, title]): Label[] => {
    const value = attribution[name]
    if (typeof value !== 'string' || !value) return []
    const of = name === 'prompt_version' && typeof prompt === 'string' ? [is('prompt_key', prompt)] : []
    return [{ name, title, text: value, filters: [...of, is(name, value)] }]
  })
  const tags = attribution.tags.map(([name = '', value]): Label => {
    const tag = value ? `${name}=${value}` : name
    return {
      name: 'tags',
      title: 'Tag',
      text: value ? `${name} = ${value}` : name,
      filters: [is('tag', tag)],
    }
  })
  const dimensions = Object.entries(attribution.dimensions).map(
    ([name, value]): Label => ({
      name: CUSTOM + name,
      title: name,
      text: value,
      filters: [is(CUSTOM + name, value)],
    }),
  )
  return [...labels, ...tags, ...dimensions]
}

const DID: Record<string, string> = {
  edited: 'changed what was asked',
  warned: 'warned of it',
  observed: 'would have acted, and only observes',
  bypassed: 'would have acted, and was let pass by',
}

/** What policies did to a call that went on, or would have done. */
export function PolicyFacts({ call, slug }: { call: CallDocument; slug: string }) {
  return call.policies?.map(({ id, did }) => (
    <Fact key={`${id} ${did}`} name="Policy">
      <PolicyLink id={id} slug={slug} /> {DID[did] ?? did}
    </Fact>
  ))
}

/** Why a call was refused: the policy or the budget that did it leads to itself. */
export function Refusal({ call, slug }: { call: CallDocument; slug: string }) {
  const { budget_id: budget, ...figures } = call.budget ?? {}
  return (
    <Section title="Why it was refused">
      <dl className="facts">
        <Fact name="Code">
          <code>{call.code}</code>
        </Fact>
        {call.policy_id ? (
          <Fact name="By">
            <PolicyLink id={call.policy_id} slug={slug} />
          </Fact>
        ) : null}
        {budget && (
          <Fact name="By">
            {Number(budget) ? (
              <Link to="/o/$slug/budgets/$id" params={{ slug, id: budget }}>
                budget {budget}
              </Link>
            ) : (
              `budget ${budget}`
            )}
          </Fact>
        )}
        {Object.entries(figures).map(([name, value]) => (
          <Fact key={name} name={name.replaceAll('_', ' ')}>
            {value}
          </Fact>
        ))}
        <PolicyFacts call={call} slug={slug} />
      </dl>
    </Section>
  )
}

const PolicyLink = ({ id, slug }: { id: number; slug: string }) => (
  <Link to="/o/$slug/policies/$id" params={{ slug, id: String(id) }}>
    policy {id}
  </Link>
)
