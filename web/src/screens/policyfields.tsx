// The fields of a policy, out of the table of kinds: one component for each type of value, none for a kind.
import { Checkbox, MultiSelect, Select, TagsInput, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getExploreValues, getProviders } from '../api/sdk.gen'
import type { Field, Filled, PolicyKind } from '../policies'

const OFFERED = 50

export function PolicyFields({
  kind,
  filled,
  fill,
}: {
  kind: PolicyKind
  filled: Filled
  fill: (filled: Filled) => void
}) {
  return kind.fields.map((field) => (
    <PolicyField
      key={field.name}
      field={field}
      value={filled[field.name]}
      set={(value) => fill({ ...filled, [field.name]: value })}
    />
  ))
}

type Value = string | string[] | boolean

function PolicyField({
  field,
  value,
  set,
}: {
  field: Field
  value: Value | undefined
  set: (value: Value) => void
}) {
  const { type, label, help, placeholder, unit, choices } = field
  const said = { label, description: help, withAsterisk: field.needed === true }
  const text = typeof value === 'string' ? value : ''
  const offered = useOffered(field.offers)
  switch (type) {
    case 'flag':
      return (
        <Checkbox
          label={label}
          description={help}
          checked={value === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      )
    case 'choice':
      return (
        <Select
          {...said}
          data={choices ?? []}
          value={text || null}
          onChange={(one) => set(one ?? '')}
          clearable
        />
      )
    case 'list':
      return choices ? (
        <MultiSelect {...said} data={choices} value={asList(value)} onChange={set} clearable />
      ) : (
        <TagsInput
          {...said}
          data={offered}
          limit={OFFERED}
          value={asList(value)}
          onChange={set}
          placeholder={asList(value).length ? '' : `${placeholder ?? ''}, then Enter`}
          acceptValueOnBlur
          splitChars={[',']}
        />
      )
    case 'lists':
    case 'pairs':
      return (
        <Textarea
          {...said}
          value={text}
          onChange={(event) => set(event.currentTarget.value)}
          placeholder={placeholder}
          autosize
          minRows={2}
        />
      )
    default:
      return (
        <TextInput
          {...said}
          value={text}
          onChange={(event) => set(event.currentTarget.value)}
          placeholder={placeholder}
          inputMode={type === 'number' ? 'numeric' : type === 'money' ? 'decimal' : 'text'}
          leftSection={type === 'money' ? <span className="quiet">$</span> : null}
          rightSection={unit ? <span className="label nowrap">{unit}</span> : null}
          rightSectionWidth={unit ? unit.length * 7 + 16 : 0}
          maxLength={256}
        />
      )
  }
}

/** Every provider, and the models that were asked for so far. */
function useOffered(offers: Field['offers']): string[] {
  const { data } = useQuery({
    queryKey: ['policies', 'offered', offers],
    queryFn: async () =>
      offers === 'provider'
        ? (await getProviders({ throwOnError: true })).data.items.map((one) => one.id).sort()
        : (await getExploreValues({ query: { dimension: 'requested_model' }, throwOnError: true })).data
            .values,
    enabled: offers !== undefined,
    staleTime: 60_000,
  })
  return data ?? []
}

const asList = (value: Value | undefined): string[] => (Array.isArray(value) ? value : [])
