// How fresh what is shown is: when it was asked for last, how old the newest entry of the ledger is, and what waits to be
// booked. A page that could not be asked for anew goes on showing what it had, and this light says so.
import { Tooltip } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'
import { ageText, freshText, lagging } from '../freshness'
import { useStanding } from '../parts/standing'
import { clockText } from '../parts/when'
import { useZone } from '../session'

export function Lag() {
  const { zone } = useZone()
  const { at, failing } = useFreshness()
  const { status, reasons, away: silent, books } = useStanding()
  if (!at) return null
  const away = failing || silent
  const late = lagging(books)
  const behind = away || late || (status && status !== 'ready')
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
