// Whom something is set on: a kind, and which of it. Names that there are are offered; any other may be typed, for a rule
// may come before the first call that it is about.
import { Autocomplete, Group, Select } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getExploreValues, getKeys, getProjects, getTeams } from '../api/sdk.gen'
import { KINDS, type Kind } from '../budgets'

export type Scope = { kind: Kind; value: string }

const WHICH: Partial<Record<Kind, string>> = {
  project: 'team/project',
  tag: 'name=value, or name=* for each',
  dimension: 'name=value, or name=* for each',
}
const SHOWN = 200
const EVERY = '*'

export function ScopeFields({
  scope,
  choose,
  kinds = Object.keys(KINDS) as Kind[],
  each = true,
}: {
  scope: Scope
  choose: (scope: Scope) => void
  kinds?: readonly Kind[]
  /** Whether `*` may stand for each. */
  each?: boolean
}) {
  const { kind, value } = scope
  return (
    <Group grow align="flex-start">
      <Select
        label="On"
        data={kinds.map((one) => ({ value: one, label: KINDS[one] }))}
        value={kind}
        onChange={(chosen) => choose({ kind: (chosen ?? kind) as Kind, value: '' })}
        allowDeselect={false}
      />
      {kind === 'key' ? (
        <WhichKey value={value} choose={(id) => choose({ kind, value: id })} each={each} />
      ) : (
        kind !== 'org' && <Which scope={scope} choose={(name) => choose({ kind, value: name })} each={each} />
      )}
    </Group>
  )
}

function Which({ scope, choose, each }: { scope: Scope; choose: (value: string) => void; each: boolean }) {
  const { data } = useQuery({
    queryKey: ['scope', 'names', scope.kind],
    queryFn: () => namesOf(scope.kind),
    staleTime: 60_000,
  })
  return (
    <Autocomplete
      label="Which"
      value={scope.value}
      onChange={choose}
      data={data ?? []}
      limit={50}
      // A dialog begins with what it asks first; the list of names waits for the first letter or an arrow.
      {...(scope.value ? {} : { 'data-autofocus': true })}
      openOnFocus={false}
      placeholder={WHICH[scope.kind] ?? (each ? 'Its name, or * for each' : 'Its name')}
      required
    />
  )
}

async function namesOf(kind: Kind): Promise<string[]> {
  if (kind === 'team')
    return (await getTeams({ query: { limit: SHOWN }, throwOnError: true })).data.items.map((one) => one.name)
  if (kind === 'project')
    return (await getProjects({ query: { limit: SHOWN }, throwOnError: true })).data.items.map(
      (one) => `${one.team}/${one.name}`,
    )
  if (kind === 'tag' || kind === 'dimension' || kind === 'session') return []
  return (await getExploreValues({ query: { dimension: kind }, throwOnError: true })).data.values
}

function WhichKey({ value, choose, each }: { value: string; choose: (id: string) => void; each: boolean }) {
  const { data, isPending } = useKeyChoices()
  const known = data ?? []
  const choices = [...(each ? [{ value: EVERY, label: 'Each key' }] : []), ...known]
  if (value && !choices.some((one) => one.value === value)) choices.push({ value, label: value })
  return (
    <Select
      label="Which"
      data={choices}
      value={value || null}
      onChange={(id) => choose(id ?? '')}
      placeholder={isPending ? 'Loading' : 'A key'}
      searchable
      required
      nothingFoundMessage="No such key"
    />
  )
}

/** Keys that can make calls, by the names people gave them; of two alike the ids are told. */
export function useKeyChoices() {
  return useQuery({
    queryKey: ['keys', 'choices'],
    queryFn: async () => {
      const found = (await getKeys({ query: { limit: SHOWN }, throwOnError: true })).data.items
      return found.flatMap((key) => {
        if ('status' in key && key.status !== 'active') return []
        const name = 'name' in key && key.name ? `${key.name}${key.team ? `, ${key.team}` : ''}` : ''
        return [{ value: key.id, label: name ? `${name} (${key.id.slice(-6)})` : key.id }]
      })
    },
    staleTime: 60_000,
  })
}

/** "team:search", as policies name a scope. */
export function scopeText({ kind, value }: Scope): string {
  return kind === 'org' ? 'org' : `${kind}:${value.trim()}`
}

export function scopeOf(text: string): Scope | null {
  const at = text.indexOf(':')
  const kind = (at < 0 ? text : text.slice(0, at)) as Kind
  return kind in KINDS ? { kind, value: at < 0 ? '' : text.slice(at + 1) } : null
}
