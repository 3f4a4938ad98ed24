// How the gateway stands: whether it serves, and how old its books are. The light in the head and the self-check ask it here.
import { useQuery } from '@tanstack/react-query'
import { getFreshness } from '../api/sdk.gen'

const AGAIN_MS = 15_000
type Ready = { status: 'ready' | 'degraded' | 'not ready'; reasons: Record<string, string> }

export function useStanding() {
  const ready = useQuery({
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
  })
  const reasons = Object.entries(ready.data?.reasons ?? {}).map(([part, reason]) => `${part}: ${reason}`)
  return { status: ready.data?.status, reasons, away: ready.isError, books: books.data }
}
