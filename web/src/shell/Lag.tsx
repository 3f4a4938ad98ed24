// How fresh what is shown is: when it was asked for last, how old the newest entry of the ledger is, and what waits to be
// booked. A page that could not be asked for anew goes on showing what it had, and this light says so.
import { Tooltip } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'
import { getFreshness } from '../api/sdk.gen'
import { ageText, freshText, lagging } from '../freshness'
import { clockText } from '../parts/when'
import { useZone } from '../session'

const AGAIN_MS = 15_000
type Ready = { status: 'ready' | 'degraded' | 'not ready'; reasons: Record<string, string> }

export function Lag() {
  const { zone } = useZone()
  const { at, failing } = useFreshness()
  const { data, isError } = useQuery({
    queryKey: ['ready'],
    queryFn: async (): Promise<Ready> => (await fetch('/readyz')).json(),
    refetchInterval: AGAIN_MS,
    retry: false,
  })
  const books = useQuery({
    queryKey: ['ready', 'books'],
    queryFn: async () => (await getFreshness({ throwOnError: true })).data,
    refetchInterval: AGAIN_MS,
    retry: false,
  }).data
  if (!at) return null
  const reasons = Object.entries(data?.reasons ?? {}).map(([part, reason]) => `${part}: ${reason}`)
  const away = failing || isError
  const late = lagging(books)
  const behind = away || late || (data && data.status !== 'ready')
  const note = away
    ? 'The gateway does not answer; these figures are from then. It is tried again.'
    : [
        reasons.length
          ? `The books fall behind. ${reasons.join('; ')}.`
          : 'When this page was asked for last.',
        books && freshText(books, zone),
      ]
        .filter(Boolean)
        .join(' ')
  return (
    <Tooltip label={note} multiline maw={320}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what it says is in its tooltip */}
      <output className="lag" tabIndex={0} aria-label={`As of ${clockText(at, zone)}. ${note}`}>
        <i className={behind ? 'live-dot amber' : 'live-dot still'} aria-hidden />
        <span className="wide-only">
          {behind ? 'Stale, as of' : 'As of'} {clockText(at, zone)}
          {late && books && `, ${ageText(books.behind_s)} behind`}
        </span>
      </output>
    </Tooltip>
  )
}

/** Of what the page shows: when the oldest of what fails was had, else when the newest of it was asked for. */
function useFreshness(): { at: number; failing: boolean } {
  const queries = useQueryClient()
  const look = () => {
    const shown = queries
      .getQueryCache()
      .findAll({ type: 'active' })
      .filter((query) => query.state.dataUpdatedAt > 0 && query.queryKey[0] !== 'ready')
    const failing = shown.filter((query) => query.state.error !== null)
    const times = (failing.length ? failing : shown).map((query) => query.state.dataUpdatedAt)
    const at = !times.length ? 0 : failing.length ? Math.min(...times) : Math.max(...times)
    return `${Math.floor(at / 1000)} ${failing.length ? 1 : 0}`
  }
  const said = useSyncExternalStore(
    useCallback((changed) => queries.getQueryCache().subscribe(() => queueMicrotask(changed)), [queries]),
    look,
  )
  const [seconds, failing] = said.split(' ').map(Number)
  return { at: (seconds ?? 0) * 1000, failing: failing === 1 }
}
