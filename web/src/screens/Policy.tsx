// One policy: what it says, whom it refused last, who passes it by, and every version it had.
import { Button, Menu } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { deletePoliciesPolicyId, getPolicies, getPoliciesPolicyId } from '../api/sdk.gen'
import type { OnePolicy, Policy as PolicyType, RefusedByPolicy } from '../api/types.gen'
import { Book } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Fact } from '../parts/Figure'
import { Findings, usePolicyFindings } from '../parts/Findings'
import { useChange } from '../parts/FormDialog'
import { useKeyNames } from '../parts/keynames'
import { Page, Section, Subject } from '../parts/Page'
import { useWho } from '../parts/people'
import { Coming, Fault } from '../parts/states'
import { STOPPERS } from '../parts/stops'
import { atText } from '../parts/when'
import { kindOf, onText, POLICY_MODES, type PolicyMode, STOP, saidOf, titleOf } from '../policies'
import { may, useSession, useZone } from '../session'
import { Bypasses, NewBypass } from './bypasses'
import type { PolicyAct } from './policysearch'
import { ModeTag, useActivity } from './policystanding'

export default function PolicyScreen() {
  const { slug, id } = useParams({ from: '/o/$slug/policies/$id' })
  const { act } = useSearch({ from: '/o/$slug/policies/$id' })
  const navigate = useNavigate({ from: '/o/$slug/policies/$id' })
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['policies', 'one', id],
    queryFn: async () =>
      (await getPoliciesPolicyId({ path: { policy_id: Number(id) }, throwOnError: true })).data,
  })
  const stands = data && data.replaced_at === null
  const sets = may(useSession(), ...STOPPERS) && stands
  const open = (wanted: PolicyAct) => navigate({ search: { act: wanted } })
  const close = () => navigate({ search: {} })
  return (
    <Page
      title="Policy"
      question={
        data ? (
          <>
            <Subject>{titleOf(data)}</Subject> on {onText(data.on)} <ModeTag policy={data} />
          </>
        ) : (
          `Number ${id}`
        )
      }
      actions={
        <>
          <Link to="/o/$slug/policies" params={{ slug }}>
            All policies
          </Link>
          {sets && (
            <>
              {data.kind !== STOP && (
                <Button
                  onClick={() =>
                    navigate({ to: '/o/$slug/policies/set', params: { slug }, search: { id: data.id } })
                  }
                >
                  Change…
                </Button>
              )}
              <Menu position="bottom-end">
                <Menu.Target>
                  <Button variant="default" px="xs" aria-label={`Actions for ${titleOf(data)}`}>
                    <IconDots size={16} />
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => open('bypass')}>Let somebody pass by…</Menu.Item>
                  <Menu.Item color="var(--red)" onClick={() => open('remove')}>
                    {data.kind === STOP ? 'Let calls through…' : 'Remove…'}
                  </Menu.Item>
                </Menu.Dropdown>
              </Menu>
            </>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={8} />
      ) : (
        <Shown policy={data} slug={slug} ends={Boolean(sets)} />
      )}
      {data && sets && act === 'bypass' && <NewBypass policy={data} close={close} />}
      {data && sets && act === 'remove' && (
        <Remove
          policy={data}
          close={close}
          removed={() => navigate({ to: '/o/$slug/policies', params: { slug } })}
        />
      )}
    </Page>
  )
}

function Shown({ policy, slug, ends }: { policy: OnePolicy; slug: string; ends: boolean }) {
  const { zone } = useZone()
  const who = useWho()
  const findings = usePolicyFindings()?.find((one) => one.id === policy.id)?.findings ?? []
  const trail = useActivity()?.items.find((one) => one.id === policy.id)
  const kind = kindOf(policy.kind)
  return (
    <>
      <Findings findings={findings} />
      {kind.does && <p className="prose">{kind.does}</p>}
      <div className="two">
        <Section title="What it says">
          <dl className="facts">
            <Fact name="Kind">{kind.name}</Fact>
            <Fact name="On">{onText(policy.on)}</Fact>
            <Fact name="Says">
              {saidOf(policy.kind, policy.parameters).map((line) => (
                <div key={line}>{line}</div>
              ))}
            </Fact>
            <Fact name="Mode">{POLICY_MODES[policy.mode as PolicyMode] ?? policy.mode}</Fact>
            <Fact name="Begins">{policy.starts_at && atText(policy.starts_at, zone)}</Fact>
            <Fact name="Ends">{policy.ends_at && atText(policy.ends_at, zone)}</Fact>
          </dl>
        </Section>
        <Section title="Who set it">
          <dl className="facts">
            <Fact name="Set">
              {atText(policy.set_at, zone)} by {who(policy.set_by)}
            </Fact>
            <Fact name="Owner">{policy.owner}</Fact>
            <Fact name="Note">{policy.note}</Fact>
            <Fact name="Version">{policy.version}</Fact>
            <Fact name="Removed">
              {policy.status === 'removed' && policy.replaced_at && atText(policy.replaced_at, zone)}
            </Fact>
          </dl>
        </Section>
      </div>
      <Refused trail={trail?.last_refusals ?? []} count={trail?.refused ?? 0} slug={slug} />
      <Passing policy={policy} ends={ends} />
      <Versions versions={policy.versions} />
    </>
  )
}

function Refused({ trail, count, slug }: { trail: RefusedByPolicy[]; count: number; slug: string }) {
  const { zone } = useZone()
  const names = useKeyNames(trail.flatMap((one) => (one.key_id ? [one.key_id] : [])))
  return (
    <Section
      title="Refused last"
      end={count > trail.length ? `${trail.length} of ${count} in 7 days` : count ? 'in 7 days' : null}
    >
      {trail.length ? (
        <Book
          caption="Refused last"
          rows={trail}
          id={(one) => one.request_id}
          columns={[
            {
              id: 'at',
              title: 'When',
              value: (one) => one.at,
              shown: (one) => (
                <Link to="/o/$slug/requests/$id" params={{ slug, id: one.request_id }}>
                  {atText(one.at, zone)}
                </Link>
              ),
            },
            { id: 'team', title: 'Team', value: (one) => one.team },
            { id: 'key', title: 'Key', value: (one) => (one.key_id ? names(one.key_id) : null), wide: true },
            { id: 'model', title: 'Model', value: (one) => one.model },
            { id: 'code', title: 'Code', value: (one) => one.code, wide: true },
          ]}
        />
      ) : (
        <p className="state soft">It refused no call in the last 7 days.</p>
      )}
    </Section>
  )
}

function Passing({ policy, ends }: { policy: PolicyType; ends: boolean }) {
  const { data } = useQuery({
    queryKey: ['policies', 'list'],
    queryFn: async () => (await getPolicies({ throwOnError: true })).data,
  })
  const mine =
    data?.bypasses.filter(
      (one) => one.policy === policy.id || (one.policy === null && policy.kind !== STOP),
    ) ?? []
  return <Bypasses bypasses={mine} policies={data?.items ?? []} ends={ends} />
}

function Versions({ versions }: { versions: PolicyType[] }) {
  const { zone } = useZone()
  const who = useWho()
  return (
    <Section title="Versions" end="each is an entry of the ledger">
      <Book
        caption="Versions"
        rows={[...versions].reverse()}
        id={(one) => String(one.version)}
        columns={[
          { id: 'version', title: 'Version', value: (one) => one.version },
          { id: 'set', title: 'Set', value: (one) => one.set_at, shown: (one) => atText(one.set_at, zone) },
          { id: 'by', title: 'By', value: (one) => who(one.set_by) },
          { id: 'mode', title: 'Mode', value: (one) => one.mode, wide: true },
          {
            id: 'says',
            title: 'Said',
            value: (one) => saidOf(one.kind, one.parameters).join('; ') || null,
            wide: true,
          },
          { id: 'note', title: 'Note', value: (one) => one.note || null, wide: true },
        ]}
      />
    </Section>
  )
}

function Remove({ policy, close, removed }: { policy: PolicyType; close: () => void; removed: () => void }) {
  const { busy, problem, send } = useChange('policies')
  const name = titleOf(policy)
  return (
    <Confirm
      title={`Remove ${name} on ${onText(policy.on)}`}
      name={name}
      verb="Remove policy"
      busy={busy}
      close={close}
      fault={problem !== null && <Fault problem={problem} />}
      go={() =>
        send(
          () => deletePoliciesPolicyId({ path: { policy_id: policy.id }, throwOnError: true }),
          `${name} is removed. Calls do not meet it any more.`,
          removed,
        )
      }
    >
      From now on no call meets it, on any gateway. Its versions and what it did stay in the ledger.
    </Confirm>
  )
}
