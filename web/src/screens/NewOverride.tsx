// What was agreed with a provider, over the list: a price or a percentage, what it would do to the bill, and then it is set or
// proposed.
import { Button, Checkbox, Group, Modal, SegmentedControl, Select, Stack, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { postPricesOverrides } from '../api/sdk.gen'
import type { NewOverride as Terms } from '../api/types.gen'
import { PriceEffect } from '../parts/PriceEffect'
import { Fault } from '../parts/states'
import { CLASSES, type Form, overrideOf, UNITS, unitName } from './pricesearch'

type Asked = {
  provider?: string | undefined
  model?: string | undefined
  providers: readonly string[]
  /** The model has no price: it is one's own, or newer than the book. */
  unlisted?: boolean
  close: () => void
}

export function NewOverride({ provider, model, providers, unlisted = false, close }: Asked) {
  const queries = useQueryClient()
  const [form, setForm] = useState<Form>({
    kind: unlisted ? 'price' : 'percent',
    provider: provider ?? '',
    model: model ?? '',
    unit: unlisted ? 'input_text' : 'tokens',
    value: '',
    from: '',
    to: '',
    team: '',
    contract: '',
    unlisted,
  })
  const [said, setSaid] = useState<string | null>(null)
  const [shown, setShown] = useState<Terms | null>(null)
  const set = (more: Partial<Form>) => {
    setForm({ ...form, ...more })
    setSaid(null)
    setShown(null)
  }
  const save = useMutation({
    mutationFn: async (terms: Terms) => postPricesOverrides({ body: terms, throwOnError: true }),
    onSuccess: ({ response }) => {
      notifications.show({
        message:
          response?.status === 202
            ? 'Proposed. It holds once somebody else approves it.'
            : 'Set. It prices the calls from its start on.',
      })
      close()
      return queries.invalidateQueries()
    },
  })
  const meant = (go: (terms: Terms) => void) => {
    const terms = overrideOf(form)
    if (typeof terms === 'string') setSaid(terms)
    else go(terms)
  }
  const price = form.kind === 'price'
  return (
    <Modal opened onClose={close} title="Set a price override" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          meant((terms) => save.mutate(terms))
        }}
      >
        <Stack gap="sm">
          <SegmentedControl
            aria-label="What was agreed"
            data={[
              { value: 'percent', label: 'A percentage on the list' },
              { value: 'price', label: 'A price of one’s own' },
            ]}
            value={form.kind}
            onChange={(kind) =>
              set({ kind: kind as Form['kind'], unit: kind === 'price' ? 'input_text' : 'tokens' })
            }
          />
          <Group grow align="flex-start">
            <Select
              label="Provider"
              searchable
              data={[...(price ? [] : [{ value: '*', label: 'Every provider' }]), ...providers]}
              value={form.provider || null}
              onChange={(one) => set({ provider: one ?? '' })}
            />
            <TextInput
              label={price ? 'Model' : 'Model (empty: all)'}
              value={form.model}
              onChange={(event) => set({ model: event.currentTarget.value })}
            />
          </Group>
          <Group grow align="flex-start">
            <Select
              label="On"
              data={
                price
                  ? UNITS.map((unit) => ({ value: unit, label: unitName(unit) }))
                  : Object.entries(CLASSES).map(([value, label]) => ({ value, label }))
              }
              value={form.unit}
              allowDeselect={false}
              onChange={(unit) => set({ unit: unit as string })}
            />
            <TextInput
              label={price ? 'Dollars a million' : 'Percent (−20 is a fifth off)'}
              inputMode="decimal"
              value={form.value}
              onChange={(event) => set({ value: event.currentTarget.value })}
              error={said}
              data-autofocus
            />
          </Group>
          <Group grow align="flex-start">
            <TextInput
              type="date"
              label="From (empty: now)"
              value={form.from}
              onChange={(event) => set({ from: event.currentTarget.value })}
            />
            <TextInput
              type="date"
              label="Until (empty: open)"
              value={form.to}
              onChange={(event) => set({ to: event.currentTarget.value })}
            />
          </Group>
          <Group grow align="flex-start">
            <TextInput
              label="Only for team"
              value={form.team}
              onChange={(event) => set({ team: event.currentTarget.value })}
            />
            <TextInput
              label="Contract"
              placeholder="its number or date"
              value={form.contract}
              onChange={(event) => set({ contract: event.currentTarget.value })}
            />
          </Group>
          {price && (
            <Checkbox
              label="The model is one’s own: the price book need not know it"
              checked={form.unlisted}
              onChange={(event) => set({ unlisted: event.currentTarget.checked })}
            />
          )}
          {shown && <PriceEffect change={{ terms: shown }} />}
          {save.error && <Fault problem={save.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button variant="default" onClick={() => meant(setShown)}>
              Show the effect
            </Button>
            <Button type="submit" loading={save.isPending}>
              Set override
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
