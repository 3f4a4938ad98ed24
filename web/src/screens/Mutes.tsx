// Of what nothing is said for a while, and the way to begin such a while.
import { Button, Select, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { deleteAlertsMutesMuteId, getAlertsMutes, postAlertsMutes } from '../api/sdk.gen'
import type { Alert, OneMute } from '../api/types.gen'
import { Book } from '../parts/Book'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { atText } from '../parts/when'
import { may, useSession } from '../session'
import { kindText } from './alertsearch'

const HOUR_MS = 3_600_000
const SPANS = [
  { value: '1', label: 'An hour' },
  { value: '8', label: '8 hours' },
  { value: '24', label: 'A day' },
  { value: '168', label: 'A week' },
  { value: '720', label: '30 days' },
]

/** Nothing where nothing is muted. */
export function Mutes({ zone }: { zone: string }) {
  const queries = useQueryClient()
  const who = useWho()
  const acts = may(useSession(), 'owner', 'admin', 'finance')
  const { data } = useQuery({
    queryKey: ['alerts', 'mutes'],
    queryFn: async () => (await getAlertsMutes({ throwOnError: true })).data.items,
  })
  const end = async (mute: OneMute) => {
    try {
      await deleteAlertsMutesMuteId({ path: { mute_id: mute.id }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: ['alerts'] })
      notifications.show({ message: 'The mute has ended. What is still so is told now.' })
    } catch (found) {
      notifications.show({ color: 'alarm', title: 'That did not work', message: (found as Error).message })
    }
  }
  if (!data?.length) return null
  return (
    <Section title="Muted">
      <Book
        caption="Mutes"
        rows={data}
        id={(mute) => String(mute.id)}
        columns={[
          { id: 'what', title: 'What', value: whatOf },
          {
            id: 'until',
            title: 'Until',
            value: (mute) => mute.until,
            shown: (mute) => atText(mute.until, zone),
          },
          { id: 'reason', title: 'Why', value: (mute) => mute.reason },
          { id: 'by', title: 'By', value: (mute) => who(mute.set_by), wide: true },
          {
            id: 'end',
            title: 'Actions',
            unnamed: true,
            unsorted: true,
            value: () => null,
            shown: (mute) =>
              acts && (
                <Button
                  size="compact-sm"
                  variant="default"
                  aria-label={`End the mute of ${whatOf(mute)}`}
                  onClick={() => end(mute)}
                >
                  End
                </Button>
              ),
          },
        ]}
      />
    </Section>
  )
}

function whatOf(mute: OneMute): string {
  // A thread is `budget/3/WINDOW/…`: what it is about comes first.
  const thread = mute.thread?.split('/').slice(0, 2).join(' ')
  return [thread, mute.kind && kindText(mute.kind), mute.budget_id && `budget ${mute.budget_id}`]
    .filter(Boolean)
    .join(', ')
}

export function Mute({ alert, close }: { alert: Alert; close: () => void }) {
  const [hours, setHours] = useState('8')
  const [what, setWhat] = useState('alert')
  const [reason, setReason] = useState('')
  const { busy, problem, send } = useChange('alerts')
  return (
    <FormDialog
      title="Mute"
      verb="Mute"
      size="md"
      ready={Boolean(reason.trim())}
      {...{ busy, problem, close }}
      submit={() =>
        send(
          () =>
            postAlertsMutes({
              body: {
                until: new Date(Date.now() + Number(hours) * HOUR_MS).toISOString(),
                reason: reason.trim(),
                ...(what === 'alert' ? { alert_id: alert.id } : { kind: alert.kind }),
              },
              throwOnError: true,
            }),
          'Muted. It is recorded all the while; what is still so at its end is told then.',
          close,
        )
      }
    >
      <Select
        label="What"
        data={[
          { value: 'alert', label: 'What this alert is about' },
          { value: 'kind', label: `Every alert of its kind: ${kindText(alert.kind)}` },
        ]}
        value={what}
        onChange={(value) => setWhat(value ?? 'alert')}
        allowDeselect={false}
      />
      <Select
        label="For"
        data={SPANS}
        value={hours}
        onChange={(value) => setHours(value ?? '8')}
        allowDeselect={false}
      />
      <TextInput
        label="Reason"
        description="It stands in the ledger, with your name: “load test”."
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        required
        maxLength={500}
        data-autofocus
      />
    </FormDialog>
  )
}
