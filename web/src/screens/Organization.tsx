// The organisation: what it is called, whose days its figures are of, and what it asks of whoever signs in.
import { Button, Select, Switch, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { getOrganizationSignIn, patchOrganization, putOrganizationSignIn } from '../api/sdk.gen'
import type { OrganizationShown, RuleShown } from '../api/types.gen'
import { Said } from '../parts/Alone'
import { Fact } from '../parts/Figure'
import { useFactor } from '../parts/factor'
import { Section } from '../parts/Page'
import { Settings } from '../parts/Settings'
import { Coming, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { may, organizationQuery, sessionQuery, useSession } from '../session'

export default function Organization() {
  const { data, error, refetch } = useQuery(organizationQuery)
  const session = useSession()
  return (
    <Settings title="Organisation" question="What holds for everybody here?">
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={4} />
      ) : (
        <>
          <Named of={data} edits={may(session, 'owner', 'admin')} />
          {may(session, 'owner', 'admin', 'auditor') && <Rules sets={may(session, 'owner', 'admin')} />}
        </>
      )}
    </Settings>
  )
}

function Named({ of, edits }: { of: OrganizationShown; edits: boolean }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const [name, setName] = useState(of.name)
  const save = () =>
    act(async () => {
      await patchOrganization({ body: { name: name.trim() }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: organizationQuery.queryKey })
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
      notifications.show({ message: `It is called ${name.trim()} from now on.` })
    })
  return (
    <Section title="What it is">
      <dl className="facts">
        {!edits && <Fact name="Name">{of.name}</Fact>}
        <Fact name="Short name">
          <code>{of.organization}</code> <span className="soft">in addresses and commands; it stays</span>
        </Fact>
        <Fact name="Time zone">
          {of.zone} <span className="soft">days and months are counted in it, so it stays</span>
        </Fact>
        <Fact name="Currency">
          {of.currency} <span className="soft">of all amounts; a budget may be set in another one</span>
        </Fact>
        <Fact name="Mail">
          {of.mails ? 'Invitations and lost passwords go by mail' : 'This installation sends none'}
        </Fact>
      </dl>
      {edits && (
        <form
          className="row-form"
          onSubmit={(event) => {
            event.preventDefault()
            save()
          }}
        >
          <TextInput
            label="Name"
            description="What people see it called."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            required
            maxLength={256}
          />
          <Button
            type="submit"
            variant="default"
            loading={busy}
            disabled={!name.trim() || name.trim() === of.name}
          >
            Save name
          </Button>
        </form>
      )}
      <Said>{problem?.message}</Said>
    </Section>
  )
}

const HOUR_S = 3600
const LIFETIMES_S = [HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 12 * HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S]

function Rules({ sets }: { sets: boolean }) {
  const { slug } = useParams({ from: '/o/$slug' })
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const rule = useQuery({
    queryKey: ['sign-in rule'],
    queryFn: async () => (await getOrganizationSignIn({ throwOnError: true })).data,
  })
  const own = useFactor(sets)
  if (rule.error) return <Fault problem={rule.error} />
  if (!rule.data) return <Coming rows={2} />
  const { second_factor_required: required, session_lifetime_s, session_lifetime_s_max } = rule.data
  const put = (more: Partial<RuleShown>, said: string) =>
    act(async () => {
      await putOrganizationSignIn({
        body: { second_factor_required: required, session_lifetime_s, ...more },
        throwOnError: true,
      })
      await queries.invalidateQueries({ queryKey: ['sign-in rule'] })
      await queries.invalidateQueries({ queryKey: ['totp'] })
      notifications.show({ message: said })
    })
  const lacks = own.data?.set === false && !required
  const unsure = sets && !required && own.data?.set !== true
  const lifetimes = [
    ...new Set([
      ...LIFETIMES_S.filter((seconds) => seconds < session_lifetime_s_max),
      ...(session_lifetime_s ? [session_lifetime_s] : []),
    ]),
  ].sort((a, b) => a - b)
  return (
    <Section title="Signing in">
      <div className="form">
        <Switch
          label="Everybody needs a second factor"
          description="At once: who has none can do nothing here but set one up."
          checked={required}
          disabled={!sets || busy || unsure}
          onChange={(event) => {
            const on = event.currentTarget.checked
            put(
              { second_factor_required: on },
              on
                ? 'Everybody needs a second factor from now on.'
                : 'A second factor is everybody’s own choice.',
            )
          }}
        />
        {sets && lacks && (
          <p className="label">
            Whoever asks it of others needs one too:{' '}
            <Link to="/o/$slug/settings/account" params={{ slug }}>
              set up yours
            </Link>{' '}
            first.
          </p>
        )}
        <Select
          label="A session lasts"
          description="At the latest after that one signs in again; it holds for open sessions, too."
          data={[
            { value: '', label: `As the installation has it (${spanText(session_lifetime_s_max)})` },
            ...lifetimes.map((seconds) => ({ value: String(seconds), label: spanText(seconds) })),
          ]}
          value={session_lifetime_s ? String(session_lifetime_s) : ''}
          onChange={(value) =>
            put({ session_lifetime_s: value ? Number(value) : null }, 'Sessions last that long from now on.')
          }
          disabled={!sets || busy}
          allowDeselect={false}
          maw={360}
        />
        <Said>{problem?.message}</Said>
      </div>
    </Section>
  )
}

function spanText(seconds: number): string {
  if (seconds % (24 * HOUR_S) === 0) return count(seconds / (24 * HOUR_S), 'day')
  return seconds % HOUR_S === 0 ? count(seconds / HOUR_S, 'hour') : count(Math.round(seconds / 60), 'minute')
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`
