// What waits for a second pair of eyes, where people come by: who asks for what, and what it would do. Whoever asked can
// take it back; whoever may, approves or declines. Nothing waiting, nothing shown.
import { Button, Group } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { getProposals, postProposalsProposalIdApprove, postProposalsProposalIdDecline } from '../api/sdk.gen'
import type { ProposalShown } from '../api/types.gen'
import { may, useSession, useZone } from '../session'
import { Section } from './Page'
import { Fault } from './states'
import { atText } from './when'

export const PROPOSALS = ['proposals', 'open']

export function Proposals({
  kinds,
  beneath,
}: {
  kinds: readonly ProposalShown['kind'][]
  beneath?: (proposal: ProposalShown) => ReactNode
}) {
  const session = useSession()
  const sees = may(session, 'owner', 'admin', 'finance', 'auditor')
  const { data, error } = useQuery({
    queryKey: PROPOSALS,
    queryFn: async () =>
      (await getProposals({ query: { state: 'open', limit: 200 }, throwOnError: true })).data.items,
    enabled: sees,
  })
  if (error) return <Fault problem={error} />
  const waiting = data?.filter((one) => kinds.includes(one.kind)) ?? []
  if (!waiting.length) return null
  return (
    <Section title="Waiting for approval" end={`${waiting.length}`}>
      <ul className="offers">
        {waiting.map((one) => (
          <Waiting key={one.id} proposal={one} beneath={beneath?.(one)} />
        ))}
      </ul>
    </Section>
  )
}

function Waiting({ proposal, beneath }: { proposal: ProposalShown; beneath: ReactNode }) {
  const session = useSession()
  const { zone } = useZone()
  const queries = useQueryClient()
  const own = proposal.proposed_by === session.account.id
  const approves =
    !own && may(session, 'owner', ...(proposal.kind === 'adjustment' ? [] : (['finance'] as const)))
  const decide = useMutation({
    mutationFn: (approve: boolean) =>
      (approve ? postProposalsProposalIdApprove : postProposalsProposalIdDecline)({
        path: { proposal_id: proposal.id },
        throwOnError: true,
      }),
    onSuccess: (_, approve) => {
      notifications.show({ message: approve ? 'Approved, and done.' : own ? 'Taken back.' : 'Declined.' })
      return queries.invalidateQueries()
    },
  })
  return (
    <li>
      <div>
        <p>{proposal.sentence}</p>
        <p className="label">
          {own ? 'You' : (proposal.proposer ?? proposal.proposed_by)}, {atText(proposal.proposed_at, zone)}
          {own && ' · somebody else approves it'}
        </p>
        {beneath}
        {decide.error && <Fault problem={decide.error} />}
      </div>
      <Group gap="xs" wrap="nowrap">
        {(own || approves) && (
          <Button variant="default" onClick={() => decide.mutate(false)} loading={decide.isPending}>
            {own ? 'Take back' : 'Decline'}
          </Button>
        )}
        {approves && (
          <Button onClick={() => decide.mutate(true)} loading={decide.isPending}>
            Approve
          </Button>
        )}
      </Group>
    </li>
  )
}
