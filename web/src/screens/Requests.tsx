// Every call, the newest first: what it was, whose it was, what it cost.
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { getExportsTotals, getRequests } from '../api/sdk.gen'
import { type CallItem, shownNanos } from '../calls'
import { narrowed } from '../filters'
import { places } from '../money'
import { AsCsv } from '../parts/Book'
import { FileLink } from '../parts/FileLink'
import { Filters } from '../parts/Filters'
import { keysIn, useKeyNames } from '../parts/keynames'
import { Listing } from '../parts/Listing'
import { useList } from '../parts/list'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { RowsFrom } from '../parts/RowsFrom'
import { Share } from '../parts/Share'
import { Empty } from '../parts/states'
import { Views } from '../parts/Views'
import { daysOf, periodOf, todayIn } from '../range'
import { useZone } from '../session'
import { columnsOf } from './callcolumns'
import { type CallSearch, filteredBy, filtersOf, KINDS, type Kind } from './callsearch'

const PAGE = 100

export default function Requests() {
  const search = useSearch({ from: '/o/$slug/requests' })
  const { slug } = useParams({ from: '/o/$slug/requests' })
  const navigate = useNavigate({ from: '/o/$slug/requests' })
  const { zone, known } = useZone()
  const change = useCallback(
    (to: (before: CallSearch) => CallSearch, replace = false) => navigate({ search: to, replace }),
    [navigate],
  )
  const filters = useMemo(() => filtersOf(search), [search])
  const days = daysOf(search, todayIn(zone))
  const period = periodOf(search, todayIn(zone))
  const asked = {
    ...period,
    kind: search.kind ?? 'all',
    ...(filters.length ? { filters: JSON.stringify(filters) } : {}),
  }
  const list = useList(
    ['requests', asked],
    async (page) => {
      const { items, next_cursor } = (await getRequests({ query: { ...asked, ...page }, throwOnError: true }))
        .data
      return { items: items as unknown as CallItem[], next_cursor }
    },
    { limit: PAGE, enabled: known },
  )
  const { data: totals } = useQuery({
    queryKey: ['requests', 'total', asked],
    queryFn: async () => (await getExportsTotals({ query: asked, throwOnError: true })).data,
    enabled: known,
  })
  // What all of them cost, also those that are not loaded yet; a sandbox's calls cost nothing.
  const total = totals && search.kind !== 'sandbox' ? (totals.cost_nanos as unknown as string) : null
  const decimals = places([...list.items.map(shownNanos), ...(total ? [total] : [])])
  const pick = useCallback(
    (dimension: string, name: string, not: boolean) =>
      change((before) => filteredBy(before, narrowed(filtersOf(before), [dimension], [name], not))),
    [change],
  )
  const columns = useMemo(
    () =>
      columnsOf(slug, zone, decimals, {
        pick,
        ...(total ? { total: <Money nanos={total} decimals={decimals} /> } : {}),
      }),
    [slug, zone, decimals, pick, total],
  )
  const nameOfKey = useKeyNames(keysIn(filters))

  return (
    <Page
      title="Requests"
      question="What was called, on whose account, and what did each call cost?"
      actions={
        <>
          <Views screen="requests" />
          <Share path="/api/requests" asked={asked} />
          <FileLink
            path="/api/exports/calls.csv"
            asked={{ ...asked, sort: 'newest' }}
            label="CSV of all rows"
          >
            CSV
          </FileLink>
        </>
      }
    >
      <RowsFrom start={days.start} />
      <Listing
        title="Requests"
        older="Older requests"
        list={list}
        rows={list.items}
        columns={columns}
        id={(call) => call.id}
        sort={search.sort}
        onSort={(sort) => change((before) => ({ ...before, sort }) as CallSearch, true)}
        narrowed={filters.length > 0 || search.kind !== undefined}
        clear={() =>
          change((before) => ({ ...filteredBy(before, []), kind: undefined }) as unknown as CallSearch)
        }
        none="Within these days there is none like that. A wider range is chosen top right."
        filters={
          <>
            <SegmentedControl
              size="xs"
              aria-label="Kind of call"
              data={(Object.keys(KINDS) as Kind[]).map((kind) => ({ value: kind, label: KINDS[kind] }))}
              value={search.kind ?? 'all'}
              onChange={(kind) =>
                change((before) => ({ ...before, kind: kind === 'all' ? undefined : kind }) as CallSearch)
              }
            />
            <Filters
              filters={filters}
              set={(more) => change((before) => filteredBy(before, more))}
              nameOfKey={nameOfKey}
              days={period}
            />
          </>
        }
        empty={
          <Empty
            title="No calls in these days"
            action={
              <Link to="/o/$slug/keys" params={{ slug }} search={{ new: true }}>
                Create a key
              </Link>
            }
          >
            A call stands here a second after it ended. With a new key come the lines that make a first one;
            they need no provider’s account.
          </Empty>
        }
        bulk={(calls) => <AsCsv name="requests" columns={columns} rows={calls} small />}
      />
    </Page>
  )
}
