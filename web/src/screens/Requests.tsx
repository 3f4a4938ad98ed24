// Every call, the newest first: what it was, whose it was, what it cost.
import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getRequests } from '../api/sdk.gen'
import { type CallItem, shownNanos } from '../calls'
import { places } from '../money'
import { Book } from '../parts/Book'
import { FileLink } from '../parts/FileLink'
import { Page } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { daysOf, todayIn } from '../range'
import { useZone } from '../session'
import { columnsOf } from './callcolumns'
import { Filters } from './callfilters'
import { type CallSearch, chosen, KINDS, type Kind } from './callsearch'

const PAGE = 100

export default function Requests() {
  const search = useSearch({ from: '/o/$slug/requests' })
  const { slug } = useParams({ from: '/o/$slug/requests' })
  const navigate = useNavigate({ from: '/o/$slug/requests' })
  const { zone, known } = useZone()
  const set = (more: Partial<CallSearch>) =>
    navigate({ search: (before: CallSearch) => ({ ...before, ...more }) })
  const filters = chosen(search)
  const { start, end } = daysOf(search, todayIn(zone))
  const asked = {
    start,
    end,
    kind: search.kind ?? 'all',
    ...Object.fromEntries(filters.map((name) => [name, search[name]])),
  }
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: ['requests', asked],
      queryFn: async ({ pageParam }) =>
        (
          await getRequests({
            query: { ...asked, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
            throwOnError: true,
          })
        ).data,
      initialPageParam: '',
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      enabled: known,
    })
  const calls = useMemo(
    () => data?.pages.flatMap((page) => page.items as unknown as CallItem[]) ?? [],
    [data],
  )
  const decimals = places(calls.map(shownNanos))
  const columns = useMemo(() => columnsOf(slug, zone, decimals), [slug, zone, decimals])

  return (
    <Page
      title="Requests"
      question="What was called, on whose account, and what did each call cost?"
      actions={
        <FileLink path="/api/exports/calls.csv" asked={{ ...asked, sort: 'newest' }} label="CSV of all rows">
          CSV
        </FileLink>
      }
    >
      <div className="chips">
        <SegmentedControl
          size="xs"
          aria-label="Kind of call"
          data={(Object.keys(KINDS) as Kind[]).map((kind) => ({ value: kind, label: KINDS[kind] }))}
          value={search.kind ?? 'all'}
          onChange={(kind) => set({ kind: kind === 'all' ? undefined : (kind as Kind) })}
        />
        <Filters search={search} set={set} />
      </div>
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : calls.length === 0 ? (
        filters.length || search.kind ? (
          <Empty
            title="No call matches"
            action={
              <Button
                variant="default"
                onClick={() =>
                  navigate({ search: ({ range, from, to }: CallSearch) => ({ range, from, to }) })
                }
              >
                Clear the filters
              </Button>
            }
          >
            Within these days there is none like that. A wider range is chosen top right.
          </Empty>
        ) : (
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
        )
      ) : (
        <>
          <Book
            caption="Requests"
            columns={columns}
            rows={calls}
            id={(call) => call.id}
            sort={search.sort}
            onSort={(sort) => set({ sort })}
          />
          {hasNextPage && (
            <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
              Older calls
            </Button>
          )}
        </>
      )}
    </Page>
  )
}
