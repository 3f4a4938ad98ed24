// Which providers there are, for whoever chooses one.
import { useQuery } from '@tanstack/react-query'
import { getProviders } from '../api/sdk.gen'

export function useProviderIds(): string[] {
  const { data } = useQuery({
    queryKey: ['providers', 'ids'],
    queryFn: async () => (await getProviders({ throwOnError: true })).data.items.map((one) => one.id),
    staleTime: 300_000,
  })
  return data ?? []
}
