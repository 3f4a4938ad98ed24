// Whether a plan of so much a month fits every envelope that a scope draws on.
import { Button, Group, Modal, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { getEnvelopesHeadroom } from '../api/sdk.gen'
import { type Kind, scopeOf as scopeSaid } from '../budgets'
import { nanosIn, SIGNERS } from '../envelopes'
import { Money } from '../parts/Money'
import { type Scope, ScopeFields, scopeOf } from '../parts/ScopeFields'
import { Fault } from '../parts/states'
import { may, useSession } from '../session'
import { KINDS, OF_TEAMS } from './envelopeforms'

export function DoesItFit({ on, slug, close }: { on: string | undefined; slug: string; close: () => void }) {
  const session = useSession()
  const [scope, setScope] = useState<Scope>(
    scopeOf(on ?? '') ?? {
      kind: 'team',
      value: session.teams.length === 1 ? (session.teams[0] as string) : '',
    },
  )
  const [delta, setDelta] = useState('')
  const [asked, setAsked] = useState('')
  const { data, error, isFetching } = useQuery({
    queryKey: ['envelopes', 'fit', asked],
    queryFn: async () => {
      const [kind, value, more] = JSON.parse(asked) as [Kind, string, string]
      const query = { scope: kind, value, monthly_delta_usd: more }
      return (await getEnvelopesHeadroom({ query, throwOnError: true })).data
    },
    enabled: asked !== '',
  })
  return (
    <Modal opened onClose={close} title="Does a plan fit?" size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          setAsked(
            JSON.stringify([
              scope.kind,
              scope.kind === 'org' ? '' : scope.value.trim(),
              delta.trim().replace(/^\$/, ''),
            ]),
          )
        }}
      >
        <Stack>
          <ScopeFields
            scope={scope}
            choose={setScope}
            kinds={may(session, ...SIGNERS, 'auditor') ? KINDS : OF_TEAMS}
            each={false}
          />
          <TextInput
            label="So much more a month"
            description="Dollars; with a minus where it saves"
            value={delta}
            onChange={(event) => setDelta(event.currentTarget.value)}
            placeholder="120"
            required
            maxLength={24}
          />
          {error && <Fault problem={error} />}
          {data && (
            <section aria-live="polite" data-fits={String(data.fits)}>
              <p className="verdict">
                {data.fits === null
                  ? 'There is no envelope there, and none is needed.'
                  : data.fits
                    ? 'It fits.'
                    : data.envelopes.length
                      ? 'It does not fit.'
                      : 'An envelope is needed there, and there is none.'}
              </p>
              {data.envelopes.map((one) => (
                <FitLine key={String(one.envelope)} one={one} slug={slug} />
              ))}
            </section>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Close
            </Button>
            <Button type="submit" loading={isFetching}>
              Look
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function FitLine({ one, slug }: { one: Record<string, unknown>; slug: string }) {
  const said = (name: string) => <Money nanos={nanosIn(one, name) ?? 0n} />
  return (
    <p>
      <Link to="/o/$slug/envelopes/$id" params={{ slug, id: String(one.envelope) }}>
        {scopeSaid(one as { scope: string; value: string })}
      </Link>
      <span className="soft">
        : {said('remaining')} is left, the pace so far takes {said('expected')} until its end, the plan{' '}
        {said('planned')}. {one.fits ? 'Fits.' : 'Too little.'}
      </span>
    </p>
  )
}
