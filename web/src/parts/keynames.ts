// Keys by the names people gave them: figures know them by id alone. Whoever may not see keys sees the ids.
import { useQueries } from '@tanstack/react-query'
import { getKeysKeyId } from '../api/sdk.gen'
import type { Key, KeyId } from '../api/types.gen'

export function useKeyNames(ids: readonly string[]): (id: string) => string {
  const found = useQueries({
    queries: [...new Set(ids)].map((id) => ({
      queryKey: ['keys', 'name', id],
      queryFn: async () => nameOf((await getKeysKeyId({ path: { key_id: id }, throwOnError: true })).data),
      staleTime: 300_000,
    })),
    combine: (all) => new Map([...new Set(ids)].map((id, place) => [id, all[place]?.data])),
  })
  return (id) => found.get(id) ?? id
}

/** Some roles are told the id and nothing else. */
export function nameOf(key: Key | KeyId): string {
  return ('name' in key && key.name) || key.id
}
