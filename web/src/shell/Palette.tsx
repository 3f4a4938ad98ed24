// ⌘K: go somewhere, or open what an id or a name leads to.
import { Spotlight, type SpotlightActionData } from '@mantine/spotlight'
import {
  IconHandStop,
  IconKey,
  IconMessage2,
  IconReceipt,
  IconSearch,
  IconShieldCheck,
  IconWallet,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { getBudgets, getKeys, getPrompts } from '../api/sdk.gen'
import { nameOf as nameOfBudget } from '../budgets'
import { nameOf } from '../parts/keynames'
import { says } from '../parts/list'
import { STOPPERS } from '../parts/stops'
import { may, type Session } from '../session'
import { placesOf } from './places'

const TYPED_MIN = 2
const FOUND_MAX = 5
const REQUEST = /^(?:req_)?([0-9a-f]{32})$/

export default function Palette({ session, slug }: { session: Session; slug: string }) {
  const navigate = useNavigate()
  const [query, setQuery] = useState('')
  const said = query.trim()
  const actions: SpotlightActionData[] = placesOf(session.role).map(({ to, name, icon: Icon, keys }) => ({
    id: to,
    label: name,
    description: `g ${keys}`,
    leftSection: <Icon size={18} stroke={1.7} />,
    onClick: () => navigate({ to, params: { slug } }),
  }))
  const found = useFound(session, slug, said)
  actions.push(...found)
  if (may(session, 'owner', 'admin', 'manager', 'member')) {
    actions.push({
      id: 'new key',
      label: 'Create a key',
      leftSection: <IconKey size={18} stroke={1.7} />,
      onClick: () => navigate({ to: '/o/$slug/keys', params: { slug }, search: { new: true } }),
    })
  }
  if (may(session, 'owner', 'admin', 'finance')) {
    actions.push({
      id: 'new budget',
      label: 'Set a budget',
      leftSection: <IconWallet size={18} stroke={1.7} />,
      onClick: () => navigate({ to: '/o/$slug/budgets', params: { slug }, search: { new: true } }),
    })
  }
  if (may(session, ...STOPPERS)) {
    actions.push(
      {
        id: 'stop',
        label: 'Stop calls',
        keywords: ['kill switch', 'stop'],
        leftSection: <IconHandStop size={18} stroke={1.7} />,
        onClick: () => navigate({ to: '/o/$slug/stop', params: { slug } }),
      },
      {
        id: 'new policy',
        label: 'Set a policy',
        leftSection: <IconShieldCheck size={18} stroke={1.7} />,
        onClick: () => navigate({ to: '/o/$slug/policies/set', params: { slug } }),
      },
    )
  }
  const id = REQUEST.exec(said.toLowerCase())?.[1]
  if (id) {
    actions.unshift({
      id: 'request',
      label: `Open request req_${id}`,
      keywords: [said],
      leftSection: <IconReceipt size={18} stroke={1.7} />,
      onClick: () => navigate({ to: '/o/$slug/requests/$id', params: { slug, id: `req_${id}` } }),
    })
  } else if (said) {
    for (const [filter, name] of [
      ['team', 'team'],
      ['project', 'project'],
      ['user', 'user'],
    ] as const) {
      actions.push({
        id: filter,
        label: `Requests of ${name} “${said}”`,
        keywords: [said],
        leftSection: <IconSearch size={18} stroke={1.7} />,
        onClick: () => navigate({ to: '/o/$slug/requests', params: { slug }, search: { [filter]: said } }),
      })
    }
  }
  return (
    <Spotlight
      actions={actions}
      query={query}
      onQueryChange={setQuery}
      shortcut={['mod + K']}
      tagsToIgnore={[]}
      nothingFound="Nothing of that name. A request's id, a team or a user may be typed too."
      searchProps={{
        placeholder: 'Go to, or type a request’s id',
        'aria-label': 'Go to, find',
        leftSection: <IconSearch size={18} />,
      }}
      highlightQuery
    />
  )
}

/** Keys, budgets and prompts of that name. They are asked for once somebody types; who may not see some finds none of them. */
function useFound(session: Session, slug: string, said: string): SpotlightActionData[] {
  const navigate = useNavigate()
  const asked = said.length >= TYPED_MIN
  const once = { enabled: asked, staleTime: 60_000, retry: false } as const
  const keys = useQuery({
    queryKey: ['palette', 'keys'],
    queryFn: async () => (await getKeys({ query: { limit: 200 }, throwOnError: true })).data.items,
    ...once,
    enabled: asked && may(session, 'owner', 'admin', 'manager', 'member', 'auditor'),
  })
  const budgets = useQuery({
    queryKey: ['palette', 'budgets'],
    queryFn: async () => (await getBudgets({ query: { limit: 200 }, throwOnError: true })).data.items,
    ...once,
  })
  const prompts = useQuery({
    queryKey: ['palette', 'prompts', said],
    queryFn: async () =>
      (await getPrompts({ query: { contains: said, limit: 5 }, throwOnError: true })).data.items,
    ...once,
  })
  if (!asked) return []
  return [
    ...(keys.data ?? [])
      .filter((key) => says(said, [nameOf(key), key.id]))
      .slice(0, FOUND_MAX)
      .map((key) => ({
        id: `key ${key.id}`,
        label: `Key ${nameOf(key)}`,
        keywords: [said],
        leftSection: <IconKey size={18} stroke={1.7} />,
        onClick: () =>
          navigate({ to: '/o/$slug/keys', params: { slug }, search: { q: key.id, ended: true } }),
      })),
    ...(budgets.data ?? [])
      .filter((budget) => says(said, [nameOfBudget(budget), budget.value]))
      .slice(0, FOUND_MAX)
      .map((budget) => ({
        id: `budget ${budget.id}`,
        label: `Budget ${nameOfBudget(budget)}`,
        keywords: [said],
        leftSection: <IconWallet size={18} stroke={1.7} />,
        onClick: () => navigate({ to: '/o/$slug/budgets/$id', params: { slug, id: String(budget.id) } }),
      })),
    ...(prompts.data ?? []).map((prompt) => ({
      id: `prompt ${prompt.prompt_key}`,
      label: `Requests of prompt ${prompt.prompt_key}`,
      keywords: [said],
      leftSection: <IconMessage2 size={18} stroke={1.7} />,
      onClick: () =>
        navigate({ to: '/o/$slug/requests', params: { slug }, search: { prompt_key: prompt.prompt_key } }),
    })),
  ]
}
