// Where one is signed in: each browser's kind and when it was last here, never its address.
import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import { deleteAuthSessions, deleteAuthSessionsSessionId, getAuthSessions } from '../api/sdk.gen'
import type { OpenSession } from '../api/types.gen'
import { Said } from '../parts/Alone'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { atText } from '../parts/when'
import { useZone } from '../session'

export function Sessions() {
  const queries = useQueryClient()
  const { zone } = useZone()
  const { busy, problem, act } = useDoing()
  const { data, error } = useQuery({
    queryKey: ['sessions'],
    queryFn: async () => (await getAuthSessions({ throwOnError: true })).data.items,
  })
  const end = (id: string | null) =>
    act(async () => {
      if (id) await deleteAuthSessionsSessionId({ path: { session_id: id }, throwOnError: true })
      else await deleteAuthSessions({ throwOnError: true })
      notifications.show({ message: id ? 'That session is over.' : 'All other sessions are over.' })
      await queries.invalidateQueries({ queryKey: ['sessions'] })
    })
  // biome-ignore lint/correctness/useExhaustiveDependencies: what ends one is the same each time
  const columns = useMemo(() => columnsOf(zone, busy, (one) => end(one.id)), [zone, busy])
  const others = data?.filter((one) => !one.current).length ?? 0
  return (
    <Section title="Sessions" end={data && <AsCsv name="sessions" columns={columns} rows={data} small />}>
      {error ? (
        <Fault problem={error} />
      ) : !data ? (
        <Coming rows={2} />
      ) : (
        <>
          <Book caption="Sessions" columns={columns} rows={data} id={(one) => one.id} />
          <Said>{problem?.message}</Said>
          {others > 0 && (
            <Button variant="default" mt="md" loading={busy} onClick={() => end(null)}>
              End all other sessions
            </Button>
          )}
        </>
      )}
    </Section>
  )
}

function columnsOf(zone: string, busy: boolean, end: (one: OpenSession) => void): Column<OpenSession>[] {
  return [
    {
      id: 'agent',
      title: 'Browser',
      value: (one) => one.agent,
      shown: (one) => (
        <>
          {one.agent} {one.current && <span className="tag green">This one</span>}
        </>
      ),
    },
    { id: 'organization', title: 'Organisation', value: (one) => one.organization, wide: true },
    {
      id: 'created_at',
      title: 'Signed in',
      value: (one) => one.created_at,
      shown: (one) => atText(one.created_at, zone),
      wide: true,
    },
    {
      id: 'seen_at',
      title: 'Last here',
      value: (one) => one.seen_at,
      shown: (one) => atText(one.seen_at, zone).slice(0, -':00'.length),
    },
    {
      id: 'expires_at',
      title: 'Ends',
      value: (one) => one.expires_at,
      shown: (one) => atText(one.expires_at, zone),
      wide: true,
    },
    {
      id: 'end',
      title: 'Actions',
      unnamed: true,
      unsorted: true,
      value: () => null,
      shown: (one) =>
        !one.current && (
          <Button
            size="compact-sm"
            variant="subtle"
            disabled={busy}
            aria-label={`End the session of ${one.agent}`}
            onClick={() => end(one)}
          >
            End
          </Button>
        ),
    },
  ]
}
