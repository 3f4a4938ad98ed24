// The screens there are, in groups: the navigation, the palette and the keys are made from this one list. A screen more
// is one line here, in its group and where it shall stand: Overview, Explore, Live, Requests | Budgets, Envelopes (v),
// Alerts | Prompts (p), Library (i), Policies (y) | Keys, Teams (t), Projects (j), Users (u), Agents (n), Dimensions (f), Providers (m),
// Prices (c) | Exports (x), Audit (d) | Settings (s), Help (h). The letter is its key after `g`.
import {
  IconActivity,
  IconBell,
  IconBook2,
  IconBooks,
  IconChartBar,
  IconFileExport,
  IconFolder,
  IconHelp,
  IconKey,
  IconLayoutDashboard,
  IconListDetails,
  IconMailDollar,
  IconMessage2,
  IconReceipt2,
  IconRobot,
  IconServer2,
  IconSettings,
  IconShieldCheck,
  IconTags,
  IconUser,
  IconUsersGroup,
  IconWallet,
} from '@tabler/icons-react'
import type { Role } from '../session'

export const GROUPS = {
  spend: 'What is spent',
  caps: 'What may be spent',
  prompts: 'Prompts and policies',
  who: 'On whose account',
  records: 'Records',
  place: 'This place',
} as const

/** `roles`: whose screen it is where it is not everybody's. `ranged`: the days chosen in the head count for it; `hourly`: so do hours. */
type Shape = {
  to: string
  name: string
  keys: string
  icon: typeof IconKey
  group: keyof typeof GROUPS
  roles?: readonly Role[]
  ranged?: true
  hourly?: true
}

const BUT_FINANCE = ['owner', 'admin', 'manager', 'member', 'auditor'] as const
const BUT_MEMBERS = ['owner', 'admin', 'finance', 'manager', 'auditor'] as const
const WATCHERS = ['owner', 'admin', 'finance', 'auditor'] as const

export const PLACES = [
  {
    to: '/o/$slug/overview',
    name: 'Overview',
    keys: 'o',
    icon: IconLayoutDashboard,
    group: 'spend',
    ranged: true,
    hourly: true,
  },
  {
    to: '/o/$slug/explore',
    name: 'Explore',
    keys: 'e',
    icon: IconChartBar,
    group: 'spend',
    ranged: true,
    hourly: true,
  },
  { to: '/o/$slug/live', name: 'Live', keys: 'l', icon: IconActivity, group: 'spend' },
  {
    to: '/o/$slug/requests',
    name: 'Requests',
    keys: 'r',
    icon: IconListDetails,
    group: 'spend',
    ranged: true,
    hourly: true,
  },
  { to: '/o/$slug/budgets', name: 'Budgets', keys: 'b', icon: IconWallet, group: 'caps' },
  { to: '/o/$slug/envelopes', name: 'Envelopes', keys: 'v', icon: IconMailDollar, group: 'caps' },
  { to: '/o/$slug/alerts', name: 'Alerts', keys: 'a', icon: IconBell, group: 'caps', roles: WATCHERS },
  {
    to: '/o/$slug/prompts',
    name: 'Prompts',
    keys: 'p',
    icon: IconMessage2,
    group: 'prompts',
    ranged: true,
  },
  {
    to: '/o/$slug/library',
    name: 'Library',
    keys: 'i',
    icon: IconBooks,
    group: 'prompts',
    ranged: true,
  },
  {
    to: '/o/$slug/policies',
    name: 'Policies',
    keys: 'y',
    icon: IconShieldCheck,
    group: 'prompts',
    roles: BUT_FINANCE,
  },
  {
    to: '/o/$slug/keys',
    name: 'Keys',
    keys: 'k',
    icon: IconKey,
    group: 'who',
    roles: BUT_FINANCE,
    ranged: true,
  },
  { to: '/o/$slug/teams', name: 'Teams', keys: 't', icon: IconUsersGroup, group: 'who', ranged: true },
  { to: '/o/$slug/projects', name: 'Projects', keys: 'j', icon: IconFolder, group: 'who', ranged: true },
  { to: '/o/$slug/users', name: 'Users', keys: 'u', icon: IconUser, group: 'who', ranged: true },
  { to: '/o/$slug/agents', name: 'Agents', keys: 'n', icon: IconRobot, group: 'who', ranged: true },
  {
    to: '/o/$slug/dimensions',
    name: 'Dimensions',
    keys: 'f',
    icon: IconTags,
    group: 'who',
    roles: BUT_MEMBERS,
    ranged: true,
  },
  {
    to: '/o/$slug/providers',
    name: 'Providers',
    keys: 'm',
    icon: IconServer2,
    group: 'who',
    ranged: true,
  },
  { to: '/o/$slug/prices', name: 'Prices', keys: 'c', icon: IconReceipt2, group: 'who', roles: WATCHERS },
  {
    to: '/o/$slug/exports',
    name: 'Exports',
    keys: 'x',
    icon: IconFileExport,
    group: 'records',
    ranged: true,
  },
  {
    to: '/o/$slug/audit',
    name: 'Audit',
    keys: 'd',
    icon: IconBook2,
    group: 'records',
    roles: ['owner', 'admin', 'finance', 'manager', 'auditor'],
    ranged: true,
  },
  { to: '/o/$slug/settings', name: 'Settings', keys: 's', icon: IconSettings, group: 'place' },
  { to: '/o/$slug/help', name: 'Help', keys: 'h', icon: IconHelp, group: 'place' },
] as const satisfies readonly Shape[]

export type Place = Shape & { to: (typeof PLACES)[number]['to'] }

export function placesOf(role: string): readonly Place[] {
  return (PLACES as readonly Place[]).filter(
    ({ roles }) => !roles || (roles as readonly string[]).includes(role),
  )
}

/** The same, group by group; one with nothing in it is left out. */
export function groupsOf(role: string): { title: string; places: readonly Place[] }[] {
  const places = placesOf(role)
  return Object.entries(GROUPS)
    .map(([group, title]) => ({ title, places: places.filter((place) => place.group === group) }))
    .filter((group) => group.places.length)
}

/** Whose screen an address is: also that of one thing out of a list. */
export function placeAt(path: string, slug: string, role: string): Place | undefined {
  return placesOf(role).find(({ to }) => {
    const list = to.replace('$slug', encodeURIComponent(slug))
    return path === list || path.startsWith(`${list}/`)
  })
}
