// What nobody forbids and hardly anybody means: findings on budgets, policies and envelopes, over one of them or of all.
import { useQuery } from '@tanstack/react-query'
import { Fragment, type ReactNode } from 'react'
import { getBudgetsLint, getPoliciesLint } from '../api/sdk.gen'
import { Section } from './Page'

export function useBudgetFindings() {
  return useQuery({
    queryKey: ['budgets', 'lint'],
    queryFn: async () => (await getBudgetsLint({ throwOnError: true })).data.items,
  }).data
}

export function usePolicyFindings() {
  return useQuery({
    queryKey: ['policies', 'lint'],
    queryFn: async () => (await getPoliciesLint({ throwOnError: true })).data.items,
  }).data
}

/** Of the one that a page shows. */
export function Findings({ findings }: { findings: readonly string[] }) {
  if (!findings.length) return null
  return (
    <ul className="alerts" aria-label="Worth a look">
      {findings.map((finding) => (
        <li key={finding} className="amber">
          {finding}
        </li>
      ))}
    </ul>
  )
}

/** Of all; `link` leads to one of them. */
export function WorthALook<One extends { id: number; findings: string[] }>({
  what,
  items,
  link,
}: {
  what: 'Budgets' | 'Policies'
  items: readonly One[] | undefined
  link: (one: One) => ReactNode
}) {
  const odd = items?.filter((one) => one.findings.length > 0) ?? []
  if (!odd.length) return null
  return (
    <Section title="Worth a look" end={`${what} that may not do what somebody thinks they do`}>
      <dl className="facts">
        {odd.map((one) => (
          <Fragment key={one.id}>
            <dt>{link(one)}</dt>
            <dd>{one.findings.join('; ')}</dd>
          </Fragment>
        ))}
      </dl>
    </Section>
  )
}
