// ⌘K: go somewhere, or open what an id or a name leads to.
import { Spotlight, type SpotlightActionData } from '@mantine/spotlight'
import { IconKey, IconReceipt, IconSearch } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { may, type Session } from '../session'
import { placesOf } from './places'

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
  if (may(session, 'owner', 'admin', 'manager', 'member')) {
    actions.push({
      id: 'new key',
      label: 'Create a key',
      leftSection: <IconKey size={18} stroke={1.7} />,
      onClick: () => navigate({ to: '/o/$slug/keys', params: { slug }, search: { new: true } }),
    })
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
