// Keys by the names people gave them: figures know them by id alone. Whoever may not see keys sees the ids.
import { useQueries } from '@tanstack/react-query'
import { getKeysKeyId } from '../api/sdk.gen'
import type { Key, KeyId } from '../api/types.gen'
import type { Filter } from '../filters'

export function useKeyNames(all: readonly string[]): (id: string) => string {
  const ids = [...new Set(all)]
  const names = useQueries({
    queries: ids.map((id) => ({
      queryKey: ['keys', 'name', id],
      queryFn: async () => nameOf((await getKeysKeyId({ path: { key_id: id }, throwOnError: true })).data),
      staleTime: 300_000,
    })),
    combine: (found) => found.map((one) => one.data),
  })
  return (id) => {
    const name = names[ids.indexOf(id)]
    if (name === undefined || name === id) return id
    // A key that was rotated has the name of the one before.
    return names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${id})`
  }
}

/** Some roles are told the id and nothing else. */
export function nameOf(key: Key | KeyId): string {
  return ('name' in key && key.name) || key.id
}

/** The keys that filters name. */
export function keysIn(filters: readonly Filter[]): string[] {
  return filters
    .filter((one) => one.dimension === 'key' && one.test !== 'contains')
    .flatMap((one) => one.values)
    .filter((id) => typeof id === 'string')
}
