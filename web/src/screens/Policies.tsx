// The policies: which rules calls meet, in which order, and what each refused lately.
import { Button } from '@mantine/core'
import { IconFlask, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getPolicies } from '../api/sdk.gen'
import type { Activity, Policy } from '../api/types.gen'
import { AsCsv, type Column } from '../parts/Book'
import { Snippet } from '../parts/Copy'
import { usePolicyFindings, WorthALook } from '../parts/Findings'
import { Listing } from '../parts/Listing'
import { says } from '../parts/list'
import { Page } from '../parts/Page'
import { useWho } from '../parts/people'
import { Empty } from '../parts/states'
import { STOPPERS } from '../parts/stops'
import { dateText } from '../parts/when'
import { inOrder, kindOf, onText, saidOf, titleOf } from '../policies'
import { may, useSession, useZone } from '../session'
import { Bypasses, NewBypass } from './bypasses'
import type { PoliciesSearch } from './policysearch'
import { ModeTag, useActivity } from './policystanding'

const AGAIN_MS = 15_000
const COMMAND = `tallystick policies set request_size --on team:search -p output_tokens_max=2000 --mode observe`

type Row = Policy & { place: number; refused: number | null }

export default function Policies() {
  const search = useSearch({ from: '/o/$slug/policies' })
  const { slug } = useParams({ from: '/o/$slug/policies' })
  const navigate = useNavigate({ from: '/o/$slug/policies' })
  const set = (more: { [name in keyof PoliciesSearch]: PoliciesSearch[name] | undefined }, replace = true) =>
    navigate({ search: (before: PoliciesSearch) => ({ ...before, ...more }) as PoliciesSearch, replace })
  const open = () => navigate({ to: '/o/$slug/policies/set', params: { slug } })
  const sets = may(useSession(), ...STOPPERS)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['policies', 'list'],
    queryFn: async () => (await getPolicies({ throwOnError: true })).data,
    refetchInterval: AGAIN_MS,
  })
  const activity = useActivity()
  const findings = usePolicyFindings()
  const columns = useColumns(slug)
  const rows = useMemo(() => rowsOf(data?.items ?? [], activity), [data, activity])
  const shown = rows.filter((one) => matches(one, search.q))
  return (
    <Page
      title="Policies"
      question="Which rules does a call meet, and what did they refuse?"
      actions={
        <>
          <AsCsv name="policies" columns={WRITTEN} rows={shown} />
          {sets && (
            <>
              <Button
                variant="default"
                leftSection={<IconFlask size={16} />}
                onClick={() => navigate({ to: '/o/$slug/policies/bench', params: { slug } })}
              >
                Test bench
              </Button>
              <Button leftSection={<IconPlus size={16} />} onClick={open}>
                Set policy
              </Button>
            </>
          )}
        </>
      }
    >
      <Listing
        title="Policies"
        list={{ items: rows, error, isPending, retry: refetch, more: null }}
        rows={shown}
        columns={columns}
        id={(one) => String(one.id)}
        named={titleOf}
        sort={search.sort}
        onSort={(sort) => set({ sort })}
        ended={(one) => one.status === 'ended'}
        search={{ text: search.q, of: 'scope, name, what it says', set: (q) => set({ q }) }}
        clear={() => set({ q: undefined })}
        none={`None has “${search.q}” in its scope, name, owner, note or parameters.`}
        empty={
          <Empty
            title="No policies yet"
            action={sets && <Button onClick={open}>Set the first policy</Button>}
          >
            <p>
              A policy is one rule on a team, a key or anybody else: which models may be asked, how large a
              call may be, at what hours, how often. You see what it would have refused before it is set. In a
              terminal:
            </p>
            <Snippet text={COMMAND} what="the command" />
          </Empty>
        }
      />
      {rows.length > 0 && (
        <p className="label footnote">
          Calls meet them from top to bottom. The first that refuses ends it; what one changes, those below it
          see changed. A policy can only narrow what another lets through.
          {activity?.whole === false && ' Refusals are of the last 2,000 in these days.'}
        </p>
      )}
      {data && <Bypasses bypasses={data.bypasses} policies={data.items} ends={sets} />}
      {data && sets && rows.length > 0 && (
        <p className="footnote">
          <Button variant="default" size="xs" onClick={() => set({ bypass: true }, false)}>
            Let somebody pass by for a while…
          </Button>
        </p>
      )}
      {rows.length > 0 && (
        <WorthALook
          what="Policies"
          items={findings}
          link={(one) => (
            <Link to="/o/$slug/policies/$id" params={{ slug, id: String(one.id) }}>
              {titleOf(one)} on {onText(one.on)}
            </Link>
          )}
        />
      )}
      {search.bypass && sets && <NewBypass close={() => set({ bypass: undefined })} />}
    </Page>
  )
}

function rowsOf(policies: readonly Policy[], activity?: Activity): Row[] {
  const refused = new Map(activity?.items.map((one) => [one.id, one.refused]))
  return inOrder(policies).map((one, at) => ({
    ...one,
    place: at + 1,
    refused: activity ? (refused.get(one.id) ?? 0) : null,
  }))
}

function matches(one: Row, q?: string): boolean {
  const words = [titleOf(one), kindOf(one.kind).name, one.kind, onText(one.on), one.owner, one.note, one.mode]
  return says(q, [...words, ...saidOf(one.kind, one.parameters)])
}

function useColumns(slug: string): Column<Row>[] {
  const { zone } = useZone()
  const who = useWho()
  return [
    { id: 'place', title: '#', value: (one) => one.place, number: true, wide: true },
    {
      id: 'policy',
      title: 'Policy',
      value: titleOf,
      shown: (one) => (
        <Link to="/o/$slug/policies/$id" params={{ slug, id: String(one.id) }}>
          {titleOf(one)}
        </Link>
      ),
    },
    { id: 'kind', title: 'Kind', value: (one) => kindOf(one.kind).name, wide: true },
    { id: 'on', title: 'On', value: (one) => onText(one.on) },
    {
      id: 'says',
      title: 'Says',
      value: (one) => saidOf(one.kind, one.parameters).join('; ') || null,
      wide: true,
    },
    {
      id: 'mode',
      title: 'Mode',
      value: (one) => one.mode,
      shown: (one) => <ModeTag policy={one} />,
      wide: true,
    },
    {
      id: 'refused',
      title: 'Refused, 7 days',
      value: (one) => one.refused,
      number: true,
    },
    {
      id: 'set_at',
      title: 'Set',
      value: (one) => one.set_at,
      shown: (one) => <span title={`by ${who(one.set_by)}`}>{dateText(one.set_at, zone)}</span>,
      wide: true,
      hidden: true,
    },
  ]
}

/** A file's columns: parameters as `tallystick policies set --from` takes them. */
const WRITTEN: readonly Column<Row>[] = [
  { id: 'place', title: 'Place', value: (one) => one.place },
  { id: 'id', title: 'Id', value: (one) => one.id },
  { id: 'version', title: 'Version', value: (one) => one.version },
  { id: 'kind', title: 'Kind', value: (one) => one.kind },
  { id: 'on', title: 'On', value: (one) => one.on },
  { id: 'name', title: 'Name', value: (one) => one.name },
  { id: 'mode', title: 'Mode', value: (one) => one.mode },
  { id: 'status', title: 'Status', value: (one) => one.status },
  { id: 'parameters', title: 'Parameters', value: (one) => JSON.stringify(one.parameters) },
  { id: 'refused_7_days', title: 'Refused', value: (one) => one.refused },
  { id: 'owner', title: 'Owner', value: (one) => one.owner },
  { id: 'note', title: 'Note', value: (one) => one.note },
  { id: 'starts_at', title: 'Starts', value: (one) => one.starts_at },
  { id: 'ends_at', title: 'Ends', value: (one) => one.ends_at },
  { id: 'set_at', title: 'Set', value: (one) => one.set_at },
  { id: 'set_by', title: 'By', value: (one) => one.set_by },
]
