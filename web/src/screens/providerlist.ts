// Which providers there are, for whoever chooses one.
import { useQuery } from '@tanstack/react-query'
import { getCredentials, getProviders } from '../api/sdk.gen'
import type { Credential } from '../api/types.gen'

export function useProviderIds(): string[] {
  const { data } = useQuery({
    queryKey: ['providers', 'ids'],
    queryFn: async () => (await getProviders({ throwOnError: true })).data.items.map((one) => one.id),
    staleTime: 300_000,
  })
  return data ?? []
}

/** What is stored for them, for whoever may see it. */
export function useCredentials(sees: boolean) {
  return useQuery({
    queryKey: ['credentials'],
    queryFn: async () => (await getCredentials({ throwOnError: true })).data.items as Credential[],
    enabled: sees,
  })
}
