// Is the ledger what it was when it was written? Asked for, watched, cancelled, and what came of it the last time.
import { Button, Progress } from '@mantine/core'
import { IconShieldCheck } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import {
  deleteLedgerVerificationsRunId,
  getLedgerVerifications,
  postLedgerVerifications,
} from '../api/sdk.gen'
import type { VerificationShown } from '../api/types.gen'
import { grouped } from '../money'
import { useZone } from '../session'
import { Coming, Fault } from './states'
import { atText } from './when'

const WATCHED_MS = 1_000
const KEY = ['ledger', 'verifications']

export function Verification({ slug }: { slug: string }) {
  const queries = useQueryClient()
  const { zone } = useZone()
  const { data, error, isPending, refetch } = useQuery({
    queryKey: KEY,
    queryFn: async () => (await getLedgerVerifications({ throwOnError: true })).data.items,
    refetchInterval: ({ state }) => (state.data?.[0]?.state === 'running' ? WATCHED_MS : false),
  })
  const again = () => queries.invalidateQueries({ queryKey: KEY })
  const start = useMutation({
    mutationFn: () => postLedgerVerifications({ throwOnError: true }),
    onSettled: again,
  })
  const cancel = useMutation({
    mutationFn: (id: string) => deleteLedgerVerificationsRunId({ path: { run_id: id }, throwOnError: true }),
    onSettled: again,
  })
  if (error) return <Fault problem={error} retry={refetch} />
  if (isPending) return <Coming rows={2} />
  const last = data[0]
  const running = last?.state === 'running'
  return (
    <div className="verification" aria-live="polite">
      <div>
        {last ? <Told run={last} zone={zone} slug={slug} /> : <Never />}
        {running && (
          <Progress
            value={last.total ? (100 * last.done) / last.total : 0}
            size="sm"
            mt="xs"
            aria-label="Entries verified"
          />
        )}
        {(start.error ?? cancel.error) && <Fault problem={start.error ?? cancel.error} />}
      </div>
      {running ? (
        <Button variant="default" onClick={() => cancel.mutate(last.id)} loading={cancel.isPending}>
          Cancel
        </Button>
      ) : (
        <Button
          leftSection={<IconShieldCheck size={16} aria-hidden />}
          onClick={() => start.mutate()}
          loading={start.isPending}
        >
          {last ? 'Verify again' : 'Verify'}
        </Button>
      )}
    </div>
  )
}

function Never() {
  return (
    <p className="soft">
      Nobody has verified this ledger from the console yet. Every entry is read from its bytes, and hashes,
      signatures, names, costs and sums are worked out again and compared. Calls go on meanwhile.
    </p>
  )
}

function Told({ run, zone, slug }: { run: VerificationShown; zone: string; slug: string }) {
  const by = `${atText(run.ended_at ?? run.started_at, zone)}, asked for by ${run.started_by}`
  switch (run.state) {
    case 'running':
      return (
        <p>
          Verifying: <strong>{grouped(run.done)}</strong> of {run.total ? grouped(run.total) : '…'} entries.
        </p>
      )
    case 'sound':
      return (
        <>
          <p>
            <span className="tag green">Verified</span> {grouped(run.entries ?? 0)} entries agree with
            themselves and with {grouped(run.checkpoints ?? 0)} signed checkpoints.
          </p>
          <p className="label">
            {by} · last entry’s hash <code title={run.head ?? ''}>{run.head?.slice(0, 16)}…</code>
          </p>
        </>
      )
    case 'wrong':
      return (
        <>
          <p>
            <span className="tag red">Not as it was written</span> First bad entry:{' '}
            <Where seq={run.findings[0]?.seq ?? null} slug={slug} />
          </p>
          <ul className="findings">
            {run.findings.map((one) => (
              <li key={`${one.check} ${one.seq} ${one.message}`}>
                <span className="label">{one.check}</span> <Where seq={one.seq} slug={slug} /> {one.message}
              </li>
            ))}
          </ul>
          <p className="label">{by}</p>
        </>
      )
    default:
      return (
        <>
          <p>
            <span className="tag amber">{run.state === 'cancelled' ? 'Cancelled' : 'Not judged'}</span>{' '}
            {run.fault ??
              (run.state === 'lost'
                ? 'The process that verified was ended.'
                : `It had come to ${grouped(run.done)} of ${grouped(run.total)} entries.`)}
          </p>
          <p className="label">{by}</p>
        </>
      )
  }
}

function Where({ seq, slug }: { seq: number | null; slug: string }) {
  return seq === null ? null : (
    <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(seq) }}>
      entry {grouped(seq)}
    </Link>
  )
}
