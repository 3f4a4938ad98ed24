// One dimension: what its values came to, who asks for it, and whose calls lack it, with what mends that.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { getDimensionsOne } from '../api/sdk.gen'
import type { DimensionRule, LackingKey, OneDimension, ValueShown } from '../api/types.gen'
import { headerOf, OWN, shareText, titleOf } from '../dimensions'
import type { Filter } from '../filters'
import { grouped, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Snippet } from '../parts/Copy'
import { Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Coming, Fault } from '../parts/states'
import { daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { Describe, SetOnKey } from './dimensionforms'
import { keyOf } from './promptsearch'
import type { DimensionSearch } from './spendersearch'

const FIXERS = ['owner', 'admin', 'manager'] as const
const DESCRIBED = 'description'

export default function Dimension() {
  const { slug, name: part } = useParams({ from: '/o/$slug/dimensions/$name' })
  const search = useSearch({ from: '/o/$slug/dimensions/$name' })
  const navigate = useNavigate({ from: '/o/$slug/dimensions/$name' })
  const session = useSession()
  const { zone, known } = useZone()
  const name = keyOf(part)
  const days = daysOf(search, todayIn(zone))
  const { data, error, refetch } = useQuery({
    queryKey: ['dimensions', 'one', name, days],
    queryFn: async () => (await getDimensionsOne({ query: { name, ...days }, throwOnError: true })).data,
    enabled: known,
  })
  const range = wholeDays(search, todayIn(zone))
  const open = (on: string) => navigate({ search: (before: DimensionSearch) => ({ ...before, on }) })
  const close = () => navigate({ search: ({ on: _, ...before }: DimensionSearch) => before })
  const key = data?.lacking_keys.find((one) => one.key_id === search.on)
  return (
    <Page
      title={titleOf(name)}
      question={
        data?.description || (name.startsWith(OWN) ? 'A dimension of your own.' : 'A built-in dimension.')
      }
      actions={
        <>
          <Link to="/o/$slug/dimensions" params={{ slug }} search={range}>
            All dimensions
          </Link>
          {may(session, 'owner', 'admin') && data && (
            <Button variant="default" onClick={() => open(DESCRIBED)}>
              Say what it is for
            </Button>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={10} />
      ) : (
        <Shown one={data} range={range} slug={slug} fix={may(session, ...FIXERS) ? (id) => open(id) : null} />
      )}
      {data && search.on === DESCRIBED && may(session, 'owner', 'admin') && (
        <Describe known={[data]} only={name} close={close} />
      )}
      {key && may(session, ...FIXERS) && <SetOnKey name={name} lacking={key} close={close} />}
    </Page>
  )
}

function Shown({
  one,
  range,
  slug,
  fix,
}: {
  one: OneDimension
  range: RangeSearch
  slug: string
  fix: ((id: string) => void) | null
}) {
  const lacking = {
    ...range,
    group: one.group,
    filters: [{ dimension: one.group, test: 'is' as const, values: [null] }],
  }
  return (
    <>
      <div className="figures">
        <Figure label="Of the cost" note="has a value">
          {shareText(one.cost_share)}
        </Figure>
        <Figure
          label="Of the calls"
          note={`${grouped(one.covered.requests)} of ${grouped(one.total.requests)}`}
        >
          {shareText(one.request_share)}
        </Figure>
        <Figure
          label="Unattributed"
          note={
            <Link to="/o/$slug/explore" params={{ slug }} search={lacking}>
              {grouped(one.unattributed.requests)} calls
            </Link>
          }
        >
          <NamedSo one={one} value={null} range={range} slug={slug}>
            <Money nanos={one.unattributed.cost_nanos} />
          </NamedSo>
        </Figure>
        <Figure label="Fixed on keys" note="active ones">
          {grouped(one.keys)}
        </Figure>
      </div>
      <Worklist one={one} fix={fix} range={range} slug={slug} />
      <Section
        title="Values"
        end={
          one.values > one.top_values.length
            ? `${one.top_values.length} of ${grouped(one.values)}`
            : undefined
        }
      >
        {one.top_values.length ? (
          <Book
            caption="Values"
            columns={valueColumns(one, range, slug)}
            rows={one.top_values}
            id={(value) => value.value}
          />
        ) : (
          <>
            <p className="nothing">
              No call of these days says it. It is said in a header, or fixed on a key:
            </p>
            <Snippet what="the header" text={`-H '${headerOf(one.name)}: …'`} />
          </>
        )}
      </Section>
      <Rules one={one} />
    </>
  )
}

/** Whose calls lack it: the keys, dearest first, and what is done about each. */
function Worklist({
  one,
  fix,
  range,
  slug,
}: {
  one: OneDimension
  fix: ((id: string) => void) | null
  range: RangeSearch
  slug: string
}) {
  if (!one.unattributed.requests)
    return (
      <Section title="Whose calls lack it">
        <p className="nothing">
          {one.total.requests ? 'Every call of these days says it.' : 'Nothing was called in these days.'}
        </p>
      </Section>
    )
  const decimals = places(one.lacking_keys.map((key) => key.cost_nanos))
  const toCalls = ({ key_id }: LackingKey, shown: ReactNode) => (
    <NamedSo one={one} value={null} range={range} slug={slug} {...(key_id ? { apiKey: key_id } : {})}>
      {shown}
    </NamedSo>
  )
  const columns: Column<LackingKey>[] = [
    {
      id: 'key',
      title: 'Key',
      value: (key) => key.name || key.key_id,
      shown: (key) =>
        key.dimensions === null ? (
          (key.key_id ?? <span className="quiet">No key</span>)
        ) : (
          <Link
            className="key-name"
            to="/o/$slug/keys/$id"
            params={{ slug, id: key.key_id ?? '' }}
            search={range}
          >
            {key.name || key.key_id}
          </Link>
        ),
    },
    {
      id: 'team',
      title: 'Team',
      value: (key) => key.team,
      shown: (key) =>
        key.team ? (
          <SpenderLink whose={{ kind: 'team', name: key.team }} range={range} />
        ) : (
          <span className="quiet">–</span>
        ),
      wide: true,
    },
    {
      id: 'calls',
      title: 'Calls without it',
      number: true,
      wide: true,
      value: (key) => key.requests,
      shown: (key) => toCalls(key, grouped(key.requests)),
    },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (key) => nanosOf(key.cost_nanos),
      shown: (key) => toCalls(key, <Money nanos={key.cost_nanos} decimals={decimals} />),
    },
    {
      id: 'next',
      title: 'Next step',
      value: (key) =>
        key.fixes ? 'fixed on the key now' : key.status === 'active' ? 'set on the key' : key.status,
      shown: (key) => <Next lacking={key} fix={fix} />,
      unsorted: true,
    },
  ]
  return (
    <Section
      title="Whose calls lack it"
      end={<AsCsv small name={`without-${titleOf(one.name)}`} columns={columns} rows={one.lacking_keys} />}
    >
      <Book
        caption="Whose calls lack it"
        columns={columns}
        rows={one.lacking_keys}
        id={(key) => key.key_id ?? ''}
      />
      {one.lacking_projects.length > 0 && (
        <p className="label below">
          By project:{' '}
          {one.lacking_projects.slice(0, 6).map((project, place) => (
            <span key={project.project ?? ''}>
              {place > 0 && ', '}
              {project.project ?? 'no project'} <Money nanos={project.cost_nanos} />
            </span>
          ))}
          .
        </p>
      )}
    </Section>
  )
}

function Next({ lacking, fix }: { lacking: LackingKey; fix: ((id: string) => void) | null }) {
  if (lacking.fixes) return <span className="tag green">fixed on the key now</span>
  if (lacking.status !== 'active' || !lacking.key_id)
    return <span className="quiet">{lacking.status ?? '–'}</span>
  if (!fix) return <span className="quiet">to be set on the key</span>
  const id = lacking.key_id
  return (
    <Button variant="default" size="compact-sm" onClick={() => fix(id)}>
      Set<span className="wide-only">&nbsp;on key</span>…
      <span className="visually-hidden"> {lacking.name || id}</span>
    </Button>
  )
}

function valueColumns(one: OneDimension, range: RangeSearch, slug: string): Column<ValueShown>[] {
  const decimals = places(one.top_values.map((value) => value.cost_nanos))
  const toCalls = ({ value }: ValueShown, shown: ReactNode) => (
    <NamedSo one={one} value={value} range={range} slug={slug}>
      {shown}
    </NamedSo>
  )
  const columns: Column<ValueShown>[] = [
    {
      id: 'value',
      title: 'Value',
      value: (value) => value.value,
      shown: (value) => (
        <Link
          className="key-name"
          to="/o/$slug/explore"
          params={{ slug }}
          search={{ ...range, filters: [{ dimension: one.group, test: 'is', values: [value.value] }] }}
        >
          {value.value}
        </Link>
      ),
    },
  ]
  if (one.rules.some((rule) => rule.allowed !== null))
    columns.push({
      id: 'allowed',
      title: 'May be given',
      value: (value) => (value.allowed ? 'yes' : 'no'),
      shown: (value) => (value.allowed ? 'yes' : <span className="tag">not on the list</span>),
    })
  columns.push(
    {
      id: 'calls',
      title: 'Calls',
      number: true,
      wide: true,
      value: (value) => value.requests,
      shown: (value) => toCalls(value, grouped(value.requests)),
    },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (value) => nanosOf(value.cost_nanos),
      shown: (value) => toCalls(value, <Money nanos={value.cost_nanos} decimals={decimals} />),
    },
  )
  return columns
}

/** The calls that name this value of it, or with null none at all; of one key, or of all. */
function NamedSo({
  one,
  value,
  range,
  slug,
  apiKey,
  children,
}: {
  one: OneDimension
  value: string | null
  range: RangeSearch
  slug: string
  apiKey?: string
  children: ReactNode
}) {
  const filters: Filter[] = [{ dimension: one.group, test: 'is', values: [value] }]
  return (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, kind: 'calls', filters, ...(apiKey ? { key: apiKey } : {}) }}
    >
      {children}
    </Link>
  )
}

function Rules({ one }: { one: OneDimension }) {
  const session = useSession()
  if (session.role === 'finance') return null
  return (
    <Section title="What is asked of calls">
      {one.rules.length ? (
        <Book
          caption="What is asked of calls"
          rows={one.rules}
          id={(rule) => String(rule.policy)}
          columns={RULES}
        />
      ) : (
        <>
          <p className="nothing">
            Nothing: a call without it passes. A policy asks for it, and may say which values there are.
            Observed first, it shows what it would refuse.
          </p>
          <Snippet
            what="the command"
            text={`tallystick policies set required_dimensions -p 'require=["${one.name}"]' --mode observe`}
          />
        </>
      )}
    </Section>
  )
}

const RULES: Column<DimensionRule>[] = [
  {
    id: 'policy',
    title: 'Policy',
    value: (rule) => rule.name || `Policy ${rule.policy}`,
    shown: (rule) => <PolicyLink rule={rule} />,
  },
  {
    id: 'scope',
    title: 'Of',
    value: (rule) => (rule.scope === 'org' ? 'everybody' : rule.scope.replace(':', ' ')),
  },
  {
    id: 'asks',
    title: 'Asks',
    value: (rule) =>
      rule.required
        ? rule.verified
          ? 'that the key fixes it'
          : 'that it is said'
        : 'only bounds its values',
  },
  {
    id: 'allowed',
    title: 'Values that may be given',
    value: (rule) => rule.allowed?.join(', ') ?? 'any',
    wide: true,
  },
  {
    id: 'mode',
    title: 'Calls without it',
    value: (rule) => (rule.mode === 'enforce' ? 'are refused' : 'pass, and are noted'),
  },
]

function PolicyLink({ rule }: { rule: DimensionRule }) {
  const { slug } = useParams({ from: '/o/$slug/dimensions/$name' })
  return (
    <Link className="key-name" to="/o/$slug/policies/$id" params={{ slug, id: String(rule.policy) }}>
      {rule.name || `Policy ${rule.policy}`}
    </Link>
  )
}
