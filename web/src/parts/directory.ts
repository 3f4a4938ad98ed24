// Teams and projects by name, for fields where somebody may choose one or type a new one.
import { useQuery } from '@tanstack/react-query'
import { getProjects, getTeams } from '../api/sdk.gen'

const MOST = 200

export function useTeamNames(): string[] {
  const { data } = useQuery({
    queryKey: ['teams', 'names'],
    queryFn: async () => {
      const { items } = (await getTeams({ query: { limit: MOST }, throwOnError: true })).data
      return items.map((one) => one.name)
    },
  })
  return data ?? []
}

/** Those of a team; none before there is one. */
export function useProjectNames(team: string): string[] {
  const { data } = useQuery({
    queryKey: ['projects', 'names', team],
    queryFn: async () => {
      const { items } = (await getProjects({ query: { limit: MOST, team }, throwOnError: true })).data
      return items.map((one) => one.name)
    },
    enabled: team !== '',
  })
  return data ?? []
}
