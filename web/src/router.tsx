// Every address of the console. The organisation stands in each of them (`/o/{slug}/…`), so that a link says whose
// figures it shows; the bare ones lead to the same page of the organisation one is signed in to.
import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { columnsOf } from './parts/layout'
import { Fault } from './parts/states'
import { rangeOf } from './range'
import { alertsOf, channelsOf } from './screens/alertsearch'
import { auditOf } from './screens/auditsearch'
import { budgetOf, budgetsOf } from './screens/budgetsearch'
import { builderOf } from './screens/buildersearch'
import { callsOf } from './screens/callsearch'
import { envelopeOf, envelopesOf } from './screens/envelopesearch'
import { exploreOf } from './screens/exploresearch'
import { helpOf } from './screens/helpsearch'
import { keysOf } from './screens/keysearch'
import { libraryOf } from './screens/librarysearch'
import { loginOf } from './screens/loginsearch'
import { NotFound } from './screens/NotFound'
import { benchOf, editorOf, policiesOf, policyOf, stopOf } from './screens/policysearch'
import { modelOf, pricesOf } from './screens/pricesearch'
import { overviewOf, promptOf, promptsOf } from './screens/promptsearch'
import { invitationsOf, membersOf, retentionOf, tokensOf } from './screens/settingssearch'
import { dimensionOf, dimensionsOf, spenderOf, spendersOf } from './screens/spendersearch'
import { welcomeOf } from './screens/welcomesearch'
import { sessionQuery } from './session'
import { Shell } from './shell/Shell'

const root = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => (
    <main className="main">
      <NotFound />
    </main>
  ),
})

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginOf,
  component: lazyRouteComponent(() => import('./screens/SignIn')),
})

const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  validateSearch: ({ code }: Record<string, unknown>): { code?: string } =>
    code === undefined ? {} : { code: String(code) },
  component: lazyRouteComponent(() => import('./screens/Setup')),
})

const forgot = createRoute({
  getParentRoute: () => root,
  path: '/forgot',
  validateSearch: ({ email }: Record<string, unknown>): { email?: string } =>
    typeof email === 'string' ? { email } : {},
  component: lazyRouteComponent(() => import('./screens/Forgot')),
})

const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset/$token',
  component: lazyRouteComponent(() => import('./screens/Reset')),
})

const invite = createRoute({
  getParentRoute: () => root,
  path: '/invite/$token',
  component: lazyRouteComponent(() => import('./screens/Invite')),
})

async function signedIn(queries: QueryClient, href: string) {
  const session = await queries.ensureQueryData(sessionQuery)
  if (!session) throw redirect({ to: '/login', search: href === '/' ? {} : { next: href } })
  return session
}

const organization = createRoute({
  getParentRoute: () => root,
  path: '/o/$slug',
  validateSearch: columnsOf,
  beforeLoad: async ({ context, location }) => {
    await signedIn(context.queries, location.href)
  },
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <Fault problem={error} retry={reset} />,
})

const welcome = createRoute({
  getParentRoute: () => organization,
  path: '/welcome',
  validateSearch: welcomeOf,
  component: lazyRouteComponent(() => import('./screens/Welcome')),
})

const overview = createRoute({
  getParentRoute: () => organization,
  path: '/overview',
  validateSearch: overviewOf,
  component: lazyRouteComponent(() => import('./screens/Overview')),
})

const explore = createRoute({
  getParentRoute: () => organization,
  path: '/explore',
  validateSearch: exploreOf,
  component: lazyRouteComponent(() => import('./screens/Explore')),
})

const requests = createRoute({
  getParentRoute: () => organization,
  path: '/requests',
  validateSearch: callsOf,
  component: lazyRouteComponent(() => import('./screens/Requests')),
})

const live = createRoute({
  getParentRoute: () => organization,
  path: '/live',
  validateSearch: callsOf,
  component: lazyRouteComponent(() => import('./screens/Live')),
})

const request = createRoute({
  getParentRoute: () => organization,
  path: '/requests/$id',
  component: lazyRouteComponent(() => import('./screens/Request')),
})

const keys = createRoute({
  getParentRoute: () => organization,
  path: '/keys',
  validateSearch: keysOf,
  component: lazyRouteComponent(() => import('./screens/Keys')),
})

const key = createRoute({
  getParentRoute: () => organization,
  path: '/keys/$id',
  validateSearch: rangeOf,
  component: lazyRouteComponent(() => import('./screens/Key')),
})

const budgets = createRoute({
  getParentRoute: () => organization,
  path: '/budgets',
  validateSearch: budgetsOf,
  component: lazyRouteComponent(() => import('./screens/Budgets')),
})

const budget = createRoute({
  getParentRoute: () => organization,
  path: '/budgets/$id',
  validateSearch: budgetOf,
  component: lazyRouteComponent(() => import('./screens/Budget')),
})

const envelopes = createRoute({
  getParentRoute: () => organization,
  path: '/envelopes',
  validateSearch: envelopesOf,
  component: lazyRouteComponent(() => import('./screens/Envelopes')),
})

const envelope = createRoute({
  getParentRoute: () => organization,
  path: '/envelopes/$id',
  validateSearch: envelopeOf,
  component: lazyRouteComponent(() => import('./screens/Envelope')),
})

const policies = createRoute({
  getParentRoute: () => organization,
  path: '/policies',
  validateSearch: policiesOf,
  component: lazyRouteComponent(() => import('./screens/Policies')),
})

const policyEditor = createRoute({
  getParentRoute: () => organization,
  path: '/policies/set',
  validateSearch: editorOf,
  component: lazyRouteComponent(() => import('./screens/PolicyEditor')),
})

const policyBench = createRoute({
  getParentRoute: () => organization,
  path: '/policies/bench',
  validateSearch: benchOf,
  component: lazyRouteComponent(() => import('./screens/PolicyBench')),
})

const policy = createRoute({
  getParentRoute: () => organization,
  path: '/policies/$id',
  validateSearch: policyOf,
  component: lazyRouteComponent(() => import('./screens/Policy')),
})

const stop = createRoute({
  getParentRoute: () => organization,
  path: '/stop',
  validateSearch: stopOf,
  component: lazyRouteComponent(() => import('./screens/Stop')),
})

const alerts = createRoute({
  getParentRoute: () => organization,
  path: '/alerts',
  validateSearch: alertsOf,
  component: lazyRouteComponent(() => import('./screens/Alerts')),
})

const alert = createRoute({
  getParentRoute: () => organization,
  path: '/alerts/$id',
  component: lazyRouteComponent(() => import('./screens/Alert')),
})

const channels = createRoute({
  getParentRoute: () => organization,
  path: '/alerts/channels',
  validateSearch: channelsOf,
  component: lazyRouteComponent(() => import('./screens/Channels')),
})

const audit = createRoute({
  getParentRoute: () => organization,
  path: '/audit',
  validateSearch: auditOf,
  component: lazyRouteComponent(() => import('./screens/Audit')),
})

const entry = createRoute({
  getParentRoute: () => organization,
  path: '/audit/$seq',
  component: lazyRouteComponent(() => import('./screens/Entry')),
})

const sorted = (search: Record<string, unknown>) =>
  typeof search.sort === 'string' && /^-?\w+$/.test(search.sort) ? { sort: search.sort } : {}

const providers = createRoute({
  getParentRoute: () => organization,
  path: '/providers',
  validateSearch: (search: Record<string, unknown>) => ({ ...rangeOf(search), ...sorted(search) }),
  component: lazyRouteComponent(() => import('./screens/Providers')),
})

const provider = createRoute({
  getParentRoute: () => organization,
  path: '/providers/$id',
  validateSearch: (search: Record<string, unknown>) => rangeOf(search),
  component: lazyRouteComponent(() => import('./screens/Provider')),
})

const prices = createRoute({
  getParentRoute: () => organization,
  path: '/prices',
  validateSearch: pricesOf,
  component: lazyRouteComponent(() => import('./screens/Prices')),
})

const priceModel = createRoute({
  getParentRoute: () => organization,
  path: '/prices/model',
  validateSearch: modelOf,
  component: lazyRouteComponent(() => import('./screens/PriceModel')),
})

const exportsScreen = createRoute({
  getParentRoute: () => organization,
  path: '/exports',
  validateSearch: callsOf,
  component: lazyRouteComponent(() => import('./screens/Exports')),
})

const prompts = createRoute({
  getParentRoute: () => organization,
  path: '/prompts',
  validateSearch: promptsOf,
  component: lazyRouteComponent(() => import('./screens/Prompts')),
})

const builder = createRoute({
  getParentRoute: () => organization,
  path: '/prompts/builder',
  validateSearch: builderOf,
  component: lazyRouteComponent(() => import('./screens/Builder')),
})

const library = createRoute({
  getParentRoute: () => organization,
  path: '/library',
  validateSearch: libraryOf,
  component: lazyRouteComponent(() => import('./screens/Library')),
})

const prompt = createRoute({
  getParentRoute: () => organization,
  path: '/prompts/$key',
  validateSearch: promptOf,
  component: lazyRouteComponent(() => import('./screens/Prompt')),
})

const settings = createRoute({
  getParentRoute: () => organization,
  path: '/settings',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/o/$slug/settings/account', params })
  },
})

const account = createRoute({
  getParentRoute: () => organization,
  path: '/settings/account',
  component: lazyRouteComponent(() => import('./screens/Account')),
})

const tokens = createRoute({
  getParentRoute: () => organization,
  path: '/settings/tokens',
  validateSearch: tokensOf,
  component: lazyRouteComponent(() => import('./screens/Tokens')),
})

const members = createRoute({
  getParentRoute: () => organization,
  path: '/settings/members',
  validateSearch: membersOf,
  component: lazyRouteComponent(() => import('./screens/Members')),
})

const invitations = createRoute({
  getParentRoute: () => organization,
  path: '/settings/invitations',
  validateSearch: invitationsOf,
  component: lazyRouteComponent(() => import('./screens/Invitations')),
})

const ownOrganization = createRoute({
  getParentRoute: () => organization,
  path: '/settings/organization',
  component: lazyRouteComponent(() => import('./screens/Organization')),
})

const retention = createRoute({
  getParentRoute: () => organization,
  path: '/settings/retention',
  validateSearch: retentionOf,
  component: lazyRouteComponent(() => import('./screens/Retention')),
})

const help = createRoute({
  getParentRoute: () => organization,
  path: '/help',
  validateSearch: helpOf,
  component: lazyRouteComponent(() => import('./screens/Help')),
})

const teams = createRoute({
  getParentRoute: () => organization,
  path: '/teams',
  validateSearch: spendersOf,
  component: lazyRouteComponent(() => import('./screens/Spenders'), 'Teams'),
})

const team = createRoute({
  getParentRoute: () => organization,
  path: '/teams/$name',
  validateSearch: spenderOf,
  component: lazyRouteComponent(() => import('./screens/Spender'), 'Team'),
})

const projects = createRoute({
  getParentRoute: () => organization,
  path: '/projects',
  validateSearch: spendersOf,
  component: lazyRouteComponent(() => import('./screens/Spenders'), 'Projects'),
})

const project = createRoute({
  getParentRoute: () => organization,
  path: '/projects/$team/$name',
  validateSearch: spenderOf,
  component: lazyRouteComponent(() => import('./screens/Spender'), 'Project'),
})

const users = createRoute({
  getParentRoute: () => organization,
  path: '/users',
  validateSearch: spendersOf,
  component: lazyRouteComponent(() => import('./screens/Spenders'), 'Users'),
})

const user = createRoute({
  getParentRoute: () => organization,
  path: '/users/$name',
  validateSearch: spenderOf,
  component: lazyRouteComponent(() => import('./screens/Spender'), 'User'),
})

const agents = createRoute({
  getParentRoute: () => organization,
  path: '/agents',
  validateSearch: spendersOf,
  component: lazyRouteComponent(() => import('./screens/Spenders'), 'Agents'),
})

const agent = createRoute({
  getParentRoute: () => organization,
  path: '/agents/$name',
  validateSearch: spenderOf,
  component: lazyRouteComponent(() => import('./screens/Spender'), 'Agent'),
})

const dimensions = createRoute({
  getParentRoute: () => organization,
  path: '/dimensions',
  validateSearch: dimensionsOf,
  component: lazyRouteComponent(() => import('./screens/Dimensions')),
})

const dimension = createRoute({
  getParentRoute: () => organization,
  path: '/dimensions/$name',
  validateSearch: dimensionOf,
  component: lazyRouteComponent(() => import('./screens/Dimension')),
})

/** Any other page of an organisation: without it, `bare` would lead such an address to itself again and again. */
const unknown = createRoute({ getParentRoute: () => organization, path: '$', component: NotFound })

// Pages that are elsewhere than their address says.
const MOVED: Record<string, string> = { '/': '/overview', '/admin/llm-proxy': '/live' }

/** Any address without an organisation: the same page of the one that is signed in to. */
const bare = createRoute({
  getParentRoute: () => root,
  path: '$',
  beforeLoad: async ({ context, location }) => {
    const session = await signedIn(context.queries, location.href)
    const page = MOVED[location.pathname] ?? location.pathname
    throw redirect({ href: `/o/${session.organization}${page}${location.searchStr}`, replace: true })
  },
})

const tree = root.addChildren([
  login,
  setup,
  forgot,
  reset,
  invite,
  organization.addChildren([
    createRoute({
      getParentRoute: () => organization,
      path: '/',
      beforeLoad: ({ params }) => {
        throw redirect({ to: '/o/$slug/overview', params })
      },
    }),
    welcome,
    settings,
    account,
    tokens,
    members,
    invitations,
    ownOrganization,
    retention,
    overview,
    explore,
    live,
    requests,
    request,
    keys,
    key,
    teams,
    team,
    projects,
    project,
    users,
    user,
    agents,
    agent,
    dimensions,
    dimension,
    alerts,
    alert,
    channels,
    budgets,
    budget,
    providers,
    provider,
    prices,
    priceModel,
    exportsScreen,
    audit,
    entry,
    prompts,
    prompt,
    envelopes,
    envelope,
    builder,
    library,
    policies,
    policyEditor,
    policyBench,
    policy,
    stop,
    help,
    unknown,
  ]),
  bare,
])

export function consoleRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: 'intent',
    scrollRestoration: true,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof consoleRouter>
  }
}
