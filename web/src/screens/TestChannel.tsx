// A test alert to one channel, and what became of it.
import { Button, Group, Modal, Stack } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { getAlertsAlertId, postChannelsNameTest } from '../api/sdk.gen'
import { grouped } from '../money'
import { Outcome } from '../parts/Severity'
import { Coming, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'

const LOOKS_MS = 500

export function TestChannel({ name, close }: { name: string; close: () => void }) {
  const queries = useQueryClient()
  const [sent, setSent] = useState<number | null>(null)
  const { busy, problem, act } = useDoing()
  const test = useQuery({
    queryKey: ['alerts', 'one', String(sent)],
    queryFn: async () =>
      (await getAlertsAlertId({ path: { alert_id: Number(sent) }, throwOnError: true })).data,
    enabled: sent !== null,
    refetchInterval: ({ state }) => (state.data?.deliveries[0]?.state === 'waiting' ? LOOKS_MS : false),
  })
  const delivery = test.data?.deliveries[0]
  const attempt = delivery?.attempts.at(-1)
  const state = delivery?.state
  useEffect(() => {
    if (state) queries.invalidateQueries({ queryKey: ['channels'] })
  }, [state, queries])
  const go = async () => {
    await act(async () => {
      setSent((await postChannelsNameTest({ path: { name }, throwOnError: true })).data.alert_id)
    })
  }
  return (
    <Modal opened onClose={close} title={`Test ${name}`}>
      <Stack>
        <p className="soft">
          It sends an alert that says nothing but that alerts come through, quiet hours or not.
        </p>
        {problem !== null || test.error ? (
          <Fault problem={problem ?? test.error} />
        ) : (
          sent !== null && (
            <output aria-label="Result">
              {delivery && (delivery.state !== 'waiting' || attempt) ? (
                <>
                  <Outcome state={delivery.state} />{' '}
                  {attempt && (
                    <>
                      {attempt.status > 0 && attempt.status} {attempt.said}{' '}
                      <span className="label">{grouped(attempt.took_ms)} ms</span>
                    </>
                  )}
                </>
              ) : (
                <Coming rows={1} />
              )}
            </output>
          )
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Close
          </Button>
          <Button onClick={go} loading={busy} data-autofocus>
            {sent === null ? 'Send a test' : 'Send another'}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
