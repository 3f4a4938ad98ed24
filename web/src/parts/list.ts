// A list that comes in pages: what is loaded of it, the way to more, and all of it for a file.
import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'

type Paged<Item> = { items: Item[]; next_cursor?: string | null }

const PAGE = 200
// A file of more rows than that is what exports are for.
const PAGES_MAX = 250

export type List<Item> = {
  items: Item[]
  error: unknown
  isPending: boolean
  retry: () => void
  more: { go: () => void; busy: boolean } | null
  all: () => Promise<Item[]>
}

/** `ask`: one page of it. `anew`: milliseconds after which it is asked for again, where it changes by itself. */
export function useList<Item>(
  key: readonly unknown[],
  ask: (page: { limit: number; cursor?: string }) => Promise<Paged<Item>>,
  { anew, limit = PAGE, enabled = true }: { anew?: number; limit?: number; enabled?: boolean } = {},
): List<Item> {
  const found = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => ask({ limit, ...(pageParam ? { cursor: pageParam } : {}) }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    enabled,
    ...(anew ? { refetchInterval: anew } : {}),
  })
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = found
  return {
    items: useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]),
    error,
    isPending,
    retry: refetch,
    more: hasNextPage ? { go: () => void fetchNextPage(), busy: isFetchingNextPage } : null,
    all: async () => {
      const items: Item[] = []
      let cursor: string | undefined
      for (let pages = 0; pages < PAGES_MAX; pages++) {
        const page = await ask({ limit: PAGE, ...(cursor ? { cursor } : {}) })
        items.push(...page.items)
        cursor = page.next_cursor ?? undefined
        if (!cursor) break
      }
      return items
    },
  }
}

/** Whether one of these texts has the words in it, in whatever case. */
export function says(wanted: string | undefined, texts: readonly (string | null | undefined)[]): boolean {
  const words = wanted?.trim().toLowerCase()
  return !words || texts.some((text) => text?.toLowerCase().includes(words))
}
