// By what calls are booked, and how much of what was spent each dimension covers.
import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getDimensions } from '../api/sdk.gen'
import type { DimensionShown } from '../api/types.gen'
import { shareText, titleOf } from '../dimensions'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { Describe } from './dimensionforms'
import { partOf } from './promptsearch'
import type { DimensionsSearch } from './spendersearch'

export default function Dimensions() {
  const search = useSearch({ from: '/o/$slug/dimensions' })
  const { slug } = useParams({ from: '/o/$slug/dimensions' })
  const navigate = useNavigate({ from: '/o/$slug/dimensions' })
  const { zone, known } = useZone()
  const writes = may(useSession(), 'owner', 'admin')
  const days = daysOf(search, todayIn(zone))
  const { data, error, refetch } = useQuery({
    queryKey: ['dimensions', days],
    queryFn: async () => (await getDimensions({ query: days, throwOnError: true })).data,
    enabled: known,
  })
  const set = (
    more: { [name in keyof DimensionsSearch]: DimensionsSearch[name] | undefined },
    replace = true,
  ) =>
    navigate({ search: (before: DimensionsSearch) => ({ ...before, ...more }) as DimensionsSearch, replace })
  const columns = useMemo(() => columnsOf(slug, wholeDays(search, todayIn(zone))), [slug, search, zone])
  return (
    <Page
      title="Dimensions"
      question="By what are calls booked, and how much of the money does each cover?"
      actions={
        <>
          <AsCsv name="dimensions" columns={columns} rows={data?.items ?? []} />
          {writes && (
            <Button leftSection={<IconPlus size={16} />} onClick={() => set({ new: true }, false)}>
              Describe a dimension
            </Button>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={8} />
      ) : (
        <>
          <Book
            caption="Dimensions"
            adjustable
            columns={columns}
            rows={data.items}
            id={(one) => one.name}
            sort={search.sort}
            onSort={(sort) => set({ sort })}
          />
          <p className="label below">
            Shares are of <Money nanos={data.total.cost_nanos} /> and {grouped(data.total.requests)} calls. A
            dimension of your own is there once a call, a key or a policy names it:{' '}
            <code>X-Tallystick-Dimension-Region: eu</code>.
          </p>
          {data.more > 0 && <p className="label below">{grouped(data.more)} more are left out.</p>}
        </>
      )}
      {search.new && writes && <Describe known={data?.items ?? []} close={() => set({ new: undefined })} />}
    </Page>
  )
}

function columnsOf(slug: string, range: RangeSearch): Column<DimensionShown>[] {
  return [
    {
      id: 'dimension',
      title: 'Dimension',
      value: (one) => titleOf(one.name),
      shown: (one) => (
        <>
          <Link
            className="key-name"
            to="/o/$slug/dimensions/$name"
            params={{ slug, name: partOf(one.name) }}
            search={range}
          >
            {titleOf(one.name)}
          </Link>
          {one.own && <span className="tag after">your own</span>}
        </>
      ),
    },
    { id: 'description', title: 'What it is for', value: (one) => one.description || null, wide: true },
    {
      id: 'asked',
      title: 'Asked of calls',
      value: (one) => askedText(one),
      shown: (one) => <Asked one={one} />,
    },
    {
      id: 'cost_covered',
      title: 'Of the cost',
      number: true,
      value: (one) => (one.cost_share === null ? null : Number(one.cost_share)),
      shown: (one) => <Share share={one.cost_share} />,
    },
    {
      id: 'calls_covered',
      title: 'Of the calls',
      number: true,
      wide: true,
      value: (one) => (one.request_share === null ? null : Number(one.request_share)),
      shown: (one) => shareText(one.request_share),
    },
    { id: 'values', title: 'Values', number: true, wide: true, value: (one) => one.values },
    { id: 'keys', title: 'Fixed on keys', number: true, wide: true, value: (one) => one.keys },
    { id: 'name', title: 'Name', value: (one) => one.name, hidden: true, written: true },
  ]
}

function askedText(one: DimensionShown): string | null {
  const required = one.rules.filter((rule) => rule.required)
  if (required.some((rule) => rule.mode === 'enforce')) return 'mandatory'
  if (required.length) return 'watched'
  return one.rules.length ? 'values bounded' : null
}

function Asked({ one }: { one: DimensionShown }) {
  const text = askedText(one)
  if (!text) return <span className="quiet">nothing</span>
  const scopes = [
    ...new Set(one.rules.map((rule) => (rule.scope === 'org' ? 'everybody' : rule.scope.replace(':', ' ')))),
  ]
  return (
    <>
      <span className="tag">{text}</span>
      <span className="label beside wide-only">of {scopes.join(', ')}</span>
    </>
  )
}

function Share({ share }: { share: number | null }) {
  return (
    <span className="used">
      <span className="meter wide-only" aria-hidden>
        <i style={{ width: `${Number(share ?? 0) * 100}%`, background: 'var(--bar)' }} />
      </span>
      <span>{shareText(share)}</span>
    </span>
  )
}
