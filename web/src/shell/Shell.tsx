// What stands around every screen: where one can go, whose figures these are, which days, and the way out.
import { ActionIcon, Button, Drawer, Menu, Modal, Tooltip, useMantineColorScheme } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { openSpotlight } from '@mantine/spotlight'
import { IconBuilding, IconCheck, IconMenu2, IconMoon, IconSearch, IconUser } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { lazy, Suspense, useMemo, useState } from 'react'
import { deleteAuthSession, postAuthSessionOrganization } from '../api/sdk.gen'
import { Empty } from '../parts/states'
import { enter, forget, type Session, useSession } from '../session'
import { CLOCKS, type Clock, DENSITIES, type Density, prefer, useTaste } from '../taste'
import { Lag } from './Lag'
import { groupsOf, placeAt, placesOf } from './places'
import { RangePicker } from './RangePicker'
import { ROW_KEYS } from './rows'
import { Stopped } from './Stopped'
import { focusFilter, useShortcuts } from './shortcuts'

const Palette = lazy(() => import('./Palette'))
// An account of this name exists under `tallystick demo` only.
const DEMO = 'admin@local'
const THEMES = { light: 'Light', dark: 'Dark', auto: 'As the system' } as const

export function Shell() {
  const session = useSession()
  const { slug } = useParams({ from: '/o/$slug' })
  const places = placesOf(session.role)
  const { clock } = useTaste()
  const [menu, setMenu] = useState(false)
  const [help, setHelp] = useState(false)
  const navigate = useNavigate()
  const path = useLocation({ select: (location) => location.pathname })
  const place = placeAt(path, slug, session.role)

  const keys = useMemo(() => {
    const go = Object.fromEntries(
      placesOf(session.role).map((known) => [
        `g ${known.keys}`,
        () => navigate({ to: known.to, params: { slug } }),
      ]),
    )
    return { ...ROW_KEYS, ...go, '/': focusFilter, '?': () => setHelp(true) }
  }, [session.role, slug, navigate])
  useShortcuts(keys)

  const links = (
    <nav aria-label="Screens">
      {groupsOf(session.role).map((group) => (
        <ul key={group.title} aria-label={group.title}>
          {group.places.map(({ to, name, icon: Icon }) => (
            <li key={to}>
              <Link
                to={to}
                params={{ slug }}
                activeProps={{ 'aria-current': 'page' }}
                activeOptions={{ includeSearch: false }}
                onClick={() => setMenu(false)}
              >
                <Icon size={18} stroke={1.7} aria-hidden />
                {name}
              </Link>
            </li>
          ))}
        </ul>
      ))}
    </nav>
  )

  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <div className="shell">
        <aside className="side">
          <div className="stays">
            <Link to="/o/$slug/overview" params={{ slug }} className="brand">
              <img src="/mark.svg" width={24} height={24} alt="" />
              Tallystick
            </Link>
            {links}
            <div className="foot label">
              <kbd>?</kbd> shows the keys
            </div>
          </div>
        </aside>
        <div>
          <section className="top" aria-label="Organisation, days, account">
            <ActionIcon
              className="menu-button"
              variant="subtle"
              color="gray"
              c="var(--ink)"
              size="lg"
              aria-label="Menu"
              onClick={() => setMenu(true)}
            >
              <IconMenu2 size={20} />
            </ActionIcon>
            <Organizations session={session} />
            <div className="space" />
            {session.organization === slug && <Lag />}
            {session.organization === slug && <Stopped slug={slug} />}
            <Tooltip label="Go to, find (⌘K)">
              <ActionIcon
                variant="subtle"
                color="gray"
                c="var(--ink-soft)"
                size="lg"
                aria-label="Go to, find"
                onClick={openSpotlight}
              >
                <IconSearch size={18} />
              </ActionIcon>
            </Tooltip>
            {place?.ranged && session.organization === slug && <RangePicker hours={place.hourly === true} />}
            <Account session={session} showKeys={() => setHelp(true)} />
          </section>
          {session.account.email === DEMO && (
            <output className="demo">
              Sample data: these calls are invented, and all of it is gone when the demo stops.
            </output>
          )}
          <main className="main" id="main" tabIndex={-1}>
            {session.organization !== slug ? (
              <Elsewhere slug={slug} session={session} />
            ) : session.second_factor_missing && !path.endsWith('/settings/account') ? (
              <NeedsFactor slug={slug} />
            ) : (
              <Outlet key={clock} />
            )}
          </main>
        </div>
      </div>
      <Drawer opened={menu} onClose={() => setMenu(false)} title="Tallystick" size={264}>
        <div className="side drawn">{links}</div>
      </Drawer>
      <Modal opened={help} onClose={() => setHelp(false)} title="Keys" size="lg">
        <dl className="facts in-columns">
          {places.map((known) => (
            <Fact key={known.to} keys={`g ${known.keys}`} what={`Go to ${known.name.toLowerCase()}`} />
          ))}
          <Fact keys="⌘ k" what="Go to or find anything (Ctrl K)" />
          <Fact keys="/" what="Narrow the list down" />
          <Fact keys="j" what="Next row" />
          <Fact keys="k" what="The row before" />
          <Fact keys="Enter" what="Open the row" />
          <Fact keys="x" what="Choose the row (Shift: all from the last)" />
          <Fact keys="t" what="Explore: chart or table" />
          <Fact keys="c" what="Explore: compare with the days before" />
          <Fact keys="?" what="These keys" />
          <Fact keys="Esc" what="Close what is open" />
        </dl>
      </Modal>
      <Suspense>
        <Palette session={session} slug={slug} />
      </Suspense>
    </>
  )
}

function Fact({ keys, what }: { keys: string; what: string }) {
  return (
    <div>
      <dt>
        {keys.split(' ').map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
      </dt>
      <dd>{what}</dd>
    </div>
  )
}

/** Going on in another organisation is a new session: whatever was loaded is forgotten. */
function useSwitch() {
  const queries = useQueryClient()
  const navigate = useNavigate()
  return async (organization: string) => {
    try {
      const session = (await postAuthSessionOrganization({ body: { organization }, throwOnError: true })).data
      enter(queries, session)
      navigate({ to: '/o/$slug/overview', params: { slug: organization } })
    } catch (problem) {
      notifications.show({ color: 'alarm', title: 'That did not work', message: (problem as Error).message })
    }
  }
}

function Organizations({ session }: { session: Session }) {
  const change = useSwitch()
  const here = session.organizations.find((place) => place.organization === session.organization)
  const name = here?.name || session.organization
  if (session.organizations.length < 2) return <span className="here">{name}</span>
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="var(--ink)"
          leftSection={<IconBuilding size={16} />}
          aria-label={`Organisation: ${name}`}
        >
          {name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {session.organizations.map((place) => (
          <Menu.Item
            key={place.organization}
            rightSection={
              place.organization === session.organization ? (
                <IconCheck size={14} />
              ) : (
                <span className="label">{place.role}</span>
              )
            }
            onClick={() => change(place.organization)}
          >
            {place.name || place.organization}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function Account({ session, showKeys }: { session: Session; showKeys: () => void }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const taste = useTaste()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const leave = async () => {
    await deleteAuthSession()
    await navigate({ to: '/login' })
    forget(queries)
  }
  return (
    <Menu position="bottom-end" width={232}>
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          c="var(--ink-soft)"
          size="lg"
          aria-label={`Account: ${session.account.email}`}
        >
          <IconUser size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.account.email} · {session.role}
        </Menu.Label>
        <Menu.Divider />
        {(Object.keys(THEMES) as (keyof typeof THEMES)[]).map((scheme) => (
          <Menu.Item
            key={scheme}
            leftSection={
              <IconMoon size={14} style={{ visibility: scheme === 'dark' ? 'visible' : 'hidden' }} />
            }
            rightSection={colorScheme === scheme ? <IconCheck size={14} /> : null}
            onClick={() => setColorScheme(scheme)}
          >
            {THEMES[scheme]}
          </Menu.Item>
        ))}
        <Menu.Label>Rows</Menu.Label>
        {(Object.keys(DENSITIES) as Density[]).map((density) => (
          <Menu.Item
            key={density}
            rightSection={taste.density === density ? <IconCheck size={14} /> : null}
            onClick={() => prefer({ density })}
          >
            {DENSITIES[density]}
          </Menu.Item>
        ))}
        <Menu.Label>Times by the clock of</Menu.Label>
        {(Object.keys(CLOCKS) as Clock[]).map((clock) => (
          <Menu.Item
            key={clock}
            rightSection={taste.clock === clock ? <IconCheck size={14} /> : null}
            onClick={() => prefer({ clock })}
          >
            {CLOCKS[clock]}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={showKeys} rightSection={<kbd>?</kbd>}>
          Keys
        </Menu.Item>
        <Menu.Item onClick={leave}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** The organisation asks for a second factor, and this account has none: until there is one, nothing else opens. */
function NeedsFactor({ slug }: { slug: string }) {
  return (
    <Empty
      title="A second factor first"
      action={
        <Link to="/o/$slug/settings/account" params={{ slug }}>
          Set it up
        </Link>
      }
    >
      This organisation asks for one from everybody. It takes an authenticator and a minute; everything else
      opens after it.
    </Empty>
  )
}

/** An address of another organisation than the session's. */
function Elsewhere({ slug, session }: { slug: string; session: Session }) {
  const change = useSwitch()
  const belongs = session.organizations.some((place) => place.organization === slug)
  return belongs ? (
    <Empty
      title={`This page is of ${slug}`}
      action={<Button onClick={() => change(slug)}>Go on in {slug}</Button>}
    >
      You are signed in to {session.organization}; one session sees one organisation.
    </Empty>
  ) : (
    <Empty
      title={`You do not belong to ${slug}`}
      action={
        <Link to="/o/$slug/overview" params={{ slug: session.organization }}>
          To {session.organization}
        </Link>
      }
    >
      An owner or an admin of {slug} can add {session.account.email}.
    </Empty>
  )
}
