// The screens there are: the navigation, the palette and the keys are made from this one list.
import {
  IconActivity,
  IconBell,
  IconChartBar,
  IconKey,
  IconLayoutDashboard,
  IconListDetails,
  IconWallet,
} from '@tabler/icons-react'
import type { Role } from '../session'

export const PLACES = [
  {
    to: '/o/$slug/overview',
    name: 'Overview',
    keys: 'o',
    icon: IconLayoutDashboard,
    roles: null,
    ranged: true,
  },
  { to: '/o/$slug/explore', name: 'Explore', keys: 'e', icon: IconChartBar, roles: null, ranged: true },
  { to: '/o/$slug/live', name: 'Live', keys: 'l', icon: IconActivity, roles: null, ranged: false },
  { to: '/o/$slug/requests', name: 'Requests', keys: 'r', icon: IconListDetails, roles: null, ranged: true },
  { to: '/o/$slug/budgets', name: 'Budgets', keys: 'b', icon: IconWallet, roles: null, ranged: false },
  {
    to: '/o/$slug/keys',
    name: 'Keys',
    keys: 'k',
    icon: IconKey,
    roles: ['owner', 'admin', 'manager', 'member', 'auditor'],
    ranged: false,
  },
  {
    to: '/o/$slug/alerts',
    name: 'Alerts',
    keys: 'a',
    icon: IconBell,
    roles: ['owner', 'admin', 'finance', 'auditor'],
    ranged: false,
  },
] as const satisfies readonly {
  to: string
  name: string
  keys: string
  icon: typeof IconKey
  roles: readonly Role[] | null
  ranged: boolean
}[]

export function placesOf(role: string) {
  return PLACES.filter((place) => place.roles === null || (place.roles as readonly string[]).includes(role))
}
