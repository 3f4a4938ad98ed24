// What was agreed over the list, and its end.
import { Button, Group, Modal, Stack } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { deletePricesOverridesOverrideId } from '../api/sdk.gen'
import type { Override } from '../api/types.gen'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Section } from '../parts/Page'
import { PriceEffect } from '../parts/PriceEffect'
import { Fault } from '../parts/states'
import { dateText } from '../parts/when'
import { useZone } from '../session'
import { perName, unitName } from './pricesearch'

export function Overrides({ overrides, ends, slug }: { overrides: Override[]; ends: boolean; slug: string }) {
  const { zone } = useZone()
  const [ending, setEnding] = useState<Override | null>(null)
  const columns: Column<Override>[] = [
    {
      id: 'what',
      title: 'Agreed',
      value: termsText,
      shown: (one) => (
        <div className="lines">
          {termsText(one)}
          {(one.contract || one.note) && (
            <div className="label">{[one.contract, one.note].filter(Boolean).join(' · ')}</div>
          )}
        </div>
      ),
    },
    {
      id: 'model',
      title: 'Model',
      value: (one) => (one.model === '*' ? 'all' : (one.model ?? '')),
      shown: (one) =>
        one.model && one.model !== '*' ? (
          <Link
            to="/o/$slug/prices/model"
            params={{ slug }}
            search={{ provider: one.provider, model: one.model }}
          >
            {one.model}
          </Link>
        ) : (
          'all'
        ),
    },
    {
      id: 'provider',
      title: 'Provider',
      value: (one) => (one.provider === '*' ? 'every one' : one.provider),
    },
    {
      id: 'for',
      title: 'For',
      value: (one) => [one.team, one.project, one.credential].filter(Boolean).join(' / ') || null,
      wide: true,
    },
    {
      id: 'from',
      title: 'From',
      value: (one) => one.valid_from,
      shown: (one) => (one.valid_from ? dateText(one.valid_from, zone) : 'always'),
    },
    {
      id: 'to',
      title: 'Until',
      value: (one) => one.valid_to,
      shown: (one) => (one.valid_to ? dateText(one.valid_to, zone) : <span className="quiet">open</span>),
      wide: true,
    },
    {
      id: 'status',
      title: 'Status',
      value: (one) => one.status,
      shown: (one) => (
        <span className={one.status === 'active' ? 'tag green' : 'tag'}>
          {one.status === 'to_come' ? 'to come' : one.status}
        </span>
      ),
    },
    ...(ends
      ? [
          {
            id: 'id',
            title: 'Actions',
            unnamed: true,
            unsorted: true,
            value: (one: Override) => one.id,
            shown: (one: Override) =>
              one.status === 'ended' || one.ended_at ? null : (
                <Button size="compact-sm" variant="default" onClick={() => setEnding(one)}>
                  End…
                </Button>
              ),
          },
        ]
      : []),
  ]
  return (
    <Section title="Agreed over the list" end={<AsCsv name="overrides" columns={columns} rows={overrides} />}>
      <Book
        caption="Agreed over the list"
        columns={columns}
        rows={overrides}
        id={(one) => one.id}
        ended={(one) => one.status === 'ended'}
      />
      {ending && <End override={ending} close={() => setEnding(null)} />}
    </Section>
  )
}

export function termsText(one: Override): string {
  if (one.kind === 'percent') return `${one.value} % on ${unitName(one.unit ?? '')}`
  if (one.kind === 'model') return `${one.model} means ${one.means}`
  return `$${one.value} ${perName(one.per ?? 1_000_000)}, ${unitName(one.unit ?? '')}`
}

function End({ override, close }: { override: Override; close: () => void }) {
  const queries = useQueryClient()
  const end = useMutation({
    mutationFn: () =>
      deletePricesOverridesOverrideId({ path: { override_id: override.id }, throwOnError: true }),
    onSuccess: ({ response }) => {
      notifications.show({
        message:
          response?.status === 202
            ? 'Proposed. It ends once somebody else approves that.'
            : 'Ended. Calls pay the list’s price from now on.',
      })
      close()
      return queries.invalidateQueries()
    },
  })
  return (
    <Modal opened onClose={close} title="End this override">
      <Stack gap="md">
        <p className="soft">
          {termsText(override)}: calls from now on pay what the list says. What is booked stays as it is.
        </p>
        <PriceEffect change={{ ends: override.id }} />
        {end.error && <Fault problem={end.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button onClick={() => end.mutate()} loading={end.isPending}>
            End override
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
