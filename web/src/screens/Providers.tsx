// Where calls go: which providers can be called, with whose credentials, how they answer and what they cost.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getProviders } from '../api/sdk.gen'
import type { Credential, ProviderShown } from '../api/types.gen'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Health } from '../parts/Health'
import { Page, Section } from '../parts/Page'
import { msText } from '../parts/Rate'
import { Coming, Fault } from '../parts/states'
import { trafficOf } from '../parts/traffic'
import { daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { useCredentials } from './providerlist'

export type ProviderSearch = RangeSearch & { sort?: string }

export default function Providers() {
  const search = useSearch({ from: '/o/$slug/providers' })
  const { slug } = useParams({ from: '/o/$slug/providers' })
  const navigate = useNavigate({ from: '/o/$slug/providers' })
  const session = useSession()
  const { zone, known } = useZone()
  const { start, end } = daysOf(search, todayIn(zone))
  const credentials = useCredentials(may(session, 'owner', 'admin', 'auditor'))
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['providers', start, end],
    queryFn: async () => (await getProviders({ query: { start, end }, throwOnError: true })).data.items,
    enabled: known,
  })
  const providers = useMemo(() => data?.filter((one) => one.base_url !== null) ?? [], [data])
  const away = data?.filter((one) => one.base_url === null) ?? []
  const columns = useMemo(
    () => columnsOf(slug, wholeDays(search, todayIn(zone)), providers, credentials.data),
    [slug, search, zone, providers, credentials.data],
  )
  return (
    <Page
      title="Providers"
      question="Where do calls go, do they answer, and what do they cost?"
      actions={<AsCsv name={`providers-${start}-${end}`} columns={columns} rows={providers} />}
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : (
        <>
          <Book
            caption="Providers"
            columns={columns}
            rows={providers}
            id={(one) => one.id}
            sort={search.sort}
            onSort={(sort) =>
              navigate({ search: (before: ProviderSearch) => ({ ...before, sort }), replace: true })
            }
          />
          {away.length > 0 && (
            <Section title="Without an address">
              <p className="soft intro">
                {away.map((one) => one.name).join(', ')}: their address is an installation’s own. The operator
                sets it in the configuration, <code>[providers.{away[0]?.id}] base_url</code>.
              </p>
            </Section>
          )}
        </>
      )}
    </Page>
  )
}

function columnsOf(
  slug: string,
  range: RangeSearch,
  providers: readonly ProviderShown[],
  credentials: readonly Credential[] | undefined,
): Column<ProviderShown>[] {
  const columns: Column<ProviderShown>[] = [
    {
      id: 'name',
      title: 'Provider',
      value: (one) => one.name,
      shown: (one) => (
        <Link to="/o/$slug/providers/$id" params={{ slug, id: one.id }} search={range}>
          {one.name}
        </Link>
      ),
    },
    ...trafficOf(providers, slug, (one) => ({ ...range, provider: one.id })),
    quantile('latency_p50_us', 'Median'),
    quantile('latency_p95_us', '95 %'),
    {
      id: 'unlisted',
      title: 'Unknown routes',
      value: (one) => one.unlisted,
      shown: (one) =>
        one.unlisted ? (
          <span className="tag amber">{grouped(one.unlisted)} calls</span>
        ) : (
          <span className="quiet">–</span>
        ),
      number: true,
      wide: true,
    },
  ]
  if (credentials)
    columns.push({
      id: 'credentials',
      title: 'Credentials',
      value: (one) => credentials.filter((held) => held.provider === one.id).length,
      shown: (one) => {
        const held = credentials.filter((credential) => credential.provider === one.id)
        return held.length === 0 ? <span className="quiet">callers’ own</span> : <Health credentials={held} />
      },
      wide: true,
    })
  return columns
}

function quantile(id: 'latency_p50_us' | 'latency_p95_us', title: string): Column<ProviderShown> {
  return {
    id,
    title,
    value: (one) => one[id],
    shown: (one) => msText(one[id]) ?? <span className="quiet">–</span>,
    number: true,
    wide: true,
  }
}
