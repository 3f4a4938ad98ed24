// Calls as they end. It stands still while it is paused or scrolled; what came meanwhile waits and is counted.
import { Button } from '@mantine/core'
import { IconHandStop, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { getRequests } from '../api/sdk.gen'
import { type CallItem, shownNanos } from '../calls'
import { exactly } from '../exact'
import { type Filter, narrowed } from '../filters'
import { grouped, places } from '../money'
import { Book } from '../parts/Book'
import { ColumnChoice } from '../parts/columns'
import { Filters } from '../parts/Filters'
import { keysIn, useKeyNames } from '../parts/keynames'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { STOPPERS } from '../parts/stops'
import { may, useSession, useZone } from '../session'
import { barsOf, EMPTY, grown, minuteOf, type Tail } from '../tail'
import { columnsOf } from './callcolumns'
import { type CallSearch, filteredBy, filtersOf } from './callsearch'

const BATCH_MS = 200
const CLOCK_MS = 1000
const BEGUN_WITH = 50
const SCROLLED_PX = 120

export default function Live() {
  const search = useSearch({ from: '/o/$slug/live' })
  const { slug } = useParams({ from: '/o/$slug/live' })
  const navigate = useNavigate({ from: '/o/$slug/live' })
  const { zone } = useZone()
  const session = useSession()
  const [paused, setPaused] = useState(false)
  const scrolled = useScrolled()
  const still = paused || scrolled
  const filters = useMemo(() => filtersOf(search), [search])
  const set = useCallback(
    (more: (before: readonly Filter[]) => Filter[]) =>
      navigate({ search: (before: CallSearch) => filteredBy(before, more(filtersOf(before))) }),
    [navigate],
  )
  const { tail, lost, begun } = useTail(filters, still)
  const minute = minuteOf(tail, useNow())
  const decimals = places(tail.shown.map(shownNanos))
  const columns = useMemo(
    () =>
      columnsOf(slug, zone, decimals, {
        pick: (dimension, name, not) => set((before) => narrowed(before, [dimension], [name], not)),
      }),
    [slug, zone, decimals, set],
  )
  const nameOfKey = useKeyNames(keysIn(filters))

  return (
    <Page
      title="Live"
      question="What is being called right now?"
      actions={
        <>
          {may(session, ...STOPPERS) && (
            <Button
              variant="default"
              leftSection={<IconHandStop size={16} />}
              onClick={() => navigate({ to: '/o/$slug/stop', params: { slug }, search: {} })}
            >
              Stop calls…
            </Button>
          )}
          <Button
            variant="default"
            leftSection={paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}
            onClick={() => setPaused(!paused)}
          >
            {paused ? 'Go on' : 'Pause'}
          </Button>
        </>
      }
    >
      <div className="figures">
        <div>
          <div className="label">Spent in the last minute</div>
          <div className="value">
            <Money nanos={minute.nanos} />
          </div>
        </div>
        <div>
          <div className="label">Calls in the last minute</div>
          <div className="value">{grouped(minute.calls)}</div>
        </div>
        <div>
          <div className="label">Failed or refused of them</div>
          <div className="value">{grouped(minute.failed)}</div>
        </div>
        <div className="wide-only">
          <div className="label">Spend, by five seconds</div>
          <div className="spark" aria-hidden>
            {barsOf(minute).map((bar) => (
              <i key={bar.ago} style={{ height: `${Math.max(4, bar.percent)}%` }} />
            ))}
          </div>
        </div>
      </div>
      <div className="chips live-chips">
        <span className="live-state">
          <span className={lost || still ? 'live-dot off' : 'live-dot'} aria-hidden />
          {lost
            ? 'The gateway is away; it is tried again.'
            : still
              ? `${grouped(tail.waiting.length)} waiting`
              : 'As they end'}
        </span>
        {scrolled && !paused && (
          <Button size="xs" variant="subtle" onClick={() => window.scrollTo({ top: 0 })}>
            To the newest
          </Button>
        )}
        {tail.skipped > 0 && (
          <span className="tag amber">{grouped(tail.skipped)} went by too fast to show</span>
        )}
        <Filters filters={filters} set={(more) => set(() => more)} nameOfKey={nameOfKey} />
        <ColumnChoice columns={columns} />
      </div>
      {begun.error ? (
        <Fault problem={begun.error} retry={begun.refetch} />
      ) : begun.isPending ? (
        <Coming rows={8} />
      ) : tail.shown.length === 0 ? (
        <Empty title="Nothing yet">
          Calls stand here the moment they end
          {filters.length ? ', if they pass these filters' : ''}. Leave this open and make one.
        </Empty>
      ) : (
        <Book
          adjustable
          caption="Calls as they end"
          columns={columns}
          rows={tail.shown}
          id={(call) => `${call.id} ${call.attempts}`}
        />
      )}
    </Page>
  )
}

/** What there was before, then what comes: the stream begins first, so that nothing falls between the two. */
function useTail(filters: readonly Filter[], still: boolean) {
  const [tail, setTail] = useState<Tail>(EMPTY)
  const [lost, setLost] = useState(false)
  const waits = useRef(still)
  waits.current = still
  const asked = JSON.stringify(filters)
  const begun = useQuery({
    queryKey: ['live', asked],
    queryFn: async () =>
      (await getRequests({ query: { filters: asked, limit: BEGUN_WITH }, throwOnError: true })).data
        .items as unknown as CallItem[],
    staleTime: 0,
    gcTime: 0,
  })

  useEffect(() => {
    setTail(EMPTY)
    const stream = new EventSource(`/api/live?filters=${encodeURIComponent(asked)}`)
    let batch: CallItem[] = []
    stream.addEventListener('call', (event) => batch.push(JSON.parse(exactly(event.data))))
    stream.addEventListener('skipped', (event) => {
      const { entries } = JSON.parse(event.data) as { entries: number }
      setTail((before) => ({ ...before, skipped: before.skipped + entries }))
    })
    stream.addEventListener('open', () => setLost(false))
    stream.addEventListener('error', () => setLost(true))
    const timer = setInterval(() => {
      if (batch.length) {
        const calls = batch
        batch = []
        setTail((before) => grown(before, calls, waits.current))
      }
    }, BATCH_MS)
    return () => {
      clearInterval(timer)
      stream.close()
    }
  }, [asked])

  useEffect(() => {
    const rows = begun.data
    if (rows)
      setTail((before) => ({
        ...before,
        shown: grown({ ...EMPTY, shown: rows }, [...before.shown].reverse(), false).shown,
      }))
  }, [begun.data])

  useEffect(() => {
    if (!still) setTail((before) => (before.waiting.length ? grown(before, [], false) : before))
  }, [still])

  return { tail, lost, begun }
}

function useNow(): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), CLOCK_MS)
    return () => clearInterval(timer)
  }, [])
  return now
}

function useScrolled(): boolean {
  const [scrolled, setScrolled] = useState(false)
  useEffect(() => {
    const look = () => setScrolled(window.scrollY > SCROLLED_PX)
    look()
    window.addEventListener('scroll', look, { passive: true })
    return () => window.removeEventListener('scroll', look)
  }, [])
  return scrolled
}
