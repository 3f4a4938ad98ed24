// A name that leads to the page of whoever has it.
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { type RangeSearch, rangeOf } from '../range'
import { partOf } from '../screens/promptsearch'
import type { Whose } from '../spenders'

export function SpenderLink({
  whose,
  range = {},
  children,
}: {
  whose: Whose
  range?: RangeSearch
  children?: ReactNode
}) {
  const { slug } = useParams({ strict: false })
  const params = { slug: slug as string, name: partOf(whose.name) }
  const search = rangeOf(range)
  const shown = children ?? whose.name
  switch (whose.kind) {
    case 'team':
      return (
        <Link className="key-name" to="/o/$slug/teams/$name" params={params} search={search}>
          {shown}
        </Link>
      )
    case 'project':
      return (
        <Link
          className="key-name"
          to="/o/$slug/projects/$team/$name"
          params={{ ...params, team: partOf(whose.team ?? 'default') }}
          search={search}
        >
          {shown}
        </Link>
      )
    case 'user':
      return (
        <Link className="key-name" to="/o/$slug/users/$name" params={params} search={search}>
          {shown}
        </Link>
      )
    case 'agent':
      return (
        <Link className="key-name" to="/o/$slug/agents/$name" params={params} search={search}>
          {shown}
        </Link>
      )
  }
}
