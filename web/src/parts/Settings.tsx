// What the pages of the settings have around them: their names, of which each role sees its own.
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { may, type Role, useSession } from '../session'
import { Page } from './Page'

const PAGES = [
  { to: '/o/$slug/settings/account', name: 'My account' },
  { to: '/o/$slug/settings/tokens', name: 'Access tokens' },
  {
    to: '/o/$slug/settings/members',
    name: 'Members',
    roles: ['owner', 'admin', 'manager', 'auditor'],
  },
  {
    to: '/o/$slug/settings/invitations',
    name: 'Invitations',
    roles: ['owner', 'admin', 'manager', 'auditor'],
  },
  { to: '/o/$slug/settings/organization', name: 'Organisation' },
  { to: '/o/$slug/settings/retention', name: 'Retention' },
] as const satisfies readonly { to: string; name: string; roles?: readonly Role[] }[]

export function Settings({
  title,
  question,
  actions,
  children,
}: {
  title: string
  question: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  const { slug } = useParams({ from: '/o/$slug' })
  const session = useSession()
  const open = PAGES.filter((page) => !('roles' in page) || may(session, ...page.roles))
  return (
    <Page title={title} question={question} actions={actions}>
      {!session.second_factor_missing && (
        <nav className="subnav" aria-label="Settings">
          {open.map((page) => (
            <Link key={page.to} to={page.to} params={{ slug }} activeProps={{ 'aria-current': 'page' }}>
              {page.name}
            </Link>
          ))}
        </nav>
      )}
      {children}
    </Page>
  )
}
