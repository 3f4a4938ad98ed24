// The price book: what each model costs us, what was agreed over the list, and what was called and has no price.
import { Button, TextInput } from '@mantine/core'
import { IconPlus, IconSearch } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { getPrices, getPricesOverrides, getPricesUnpriced } from '../api/sdk.gen'
import type { Priced, ProposalShown, UnpricedShown } from '../api/types.gen'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Dollars, decimalsOf } from '../parts/Dollars'
import { Page, Section } from '../parts/Page'
import { PriceEffect } from '../parts/PriceEffect'
import { Proposals } from '../parts/Proposals'
import { Coming, Empty, Fault } from '../parts/states'
import { dateText } from '../parts/when'
import { may, useSession, useZone } from '../session'
import { NewOverride } from './NewOverride'
import { Overrides } from './Overrides'
import type { PriceSearch } from './pricesearch'
import { useProviderIds } from './providerlist'

const PAGE = 50

export default function Prices() {
  const search = useSearch({ from: '/o/$slug/prices' })
  const { slug } = useParams({ from: '/o/$slug/prices' })
  const navigate = useNavigate({ from: '/o/$slug/prices' })
  const session = useSession()
  const sets = may(session, 'owner', 'admin', 'finance')
  const providers = useProviderIds()
  const set = (more: Partial<PriceSearch>, replace = false) =>
    navigate({ search: (before: PriceSearch) => ({ ...before, ...more }), replace })
  const overrides = useQuery({
    queryKey: ['prices', 'overrides'],
    queryFn: async () => (await getPricesOverrides({ throwOnError: true })).data.items,
  })
  return (
    <Page
      title="Prices"
      question="What does each model cost us, and what was called that has no price?"
      actions={
        sets && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => set({ new: true })}>
            Set override
          </Button>
        )
      }
    >
      <Proposals kinds={['override_set', 'override_end']} beneath={effectOf} />
      <Queue
        slug={slug}
        price={sets ? (one) => set({ new: true, of: one.provider, model: one.model }) : null}
      />
      {overrides.error ? (
        <Fault problem={overrides.error} retry={overrides.refetch} />
      ) : (
        overrides.data &&
        overrides.data.length > 0 && <Overrides overrides={overrides.data} ends={sets} slug={slug} />
      )}
      <Models slug={slug} search={search} set={set} />
      {search.new && sets && (
        <NewOverride
          provider={search.of}
          model={search.model}
          unlisted={Boolean(search.of && search.model)}
          providers={providers}
          close={() => set({ new: undefined, of: undefined, model: undefined })}
        />
      )}
    </Page>
  )
}

function effectOf({ kind, what }: ProposalShown) {
  const { terms, override, unlisted } = what as {
    terms?: Record<string, unknown>
    override?: string
    unlisted?: boolean
  }
  if (kind === 'override_set' && terms)
    return <PriceEffect change={{ terms: { ...terms, unlisted } as never }} />
  return override ? <PriceEffect change={{ ends: override }} /> : null
}

function Queue({ slug, price }: { slug: string; price: ((one: UnpricedShown) => void) | null }) {
  const { zone } = useZone()
  const { data, error, refetch } = useQuery({
    queryKey: ['prices', 'unpriced'],
    queryFn: async () => (await getPricesUnpriced({ throwOnError: true })).data.items,
  })
  if (error) return <Fault problem={error} retry={refetch} />
  if (!data?.length) return null
  const columns: Column<UnpricedShown>[] = [
    {
      id: 'model',
      title: 'Model',
      value: (one) => one.model || one.operation,
      shown: (one) => (
        <Link
          to="/o/$slug/requests"
          params={{ slug }}
          search={{
            provider: one.provider,
            ...(one.model ? { served_model: one.model } : {}),
            kind: 'calls',
          }}
        >
          {one.model || one.operation}
        </Link>
      ),
    },
    { id: 'provider', title: 'Provider', value: (one) => one.provider },
    { id: 'operation', title: 'Operation', value: (one) => one.operation, wide: true },
    {
      id: 'calls',
      title: 'Calls',
      value: (one) => one.calls,
      shown: (one) => grouped(one.calls),
      number: true,
    },
    {
      id: 'input_tokens',
      title: 'Tokens in',
      value: (one) => one.input_tokens,
      shown: (one) => grouped(one.input_tokens),
      number: true,
      wide: true,
    },
    {
      id: 'output_tokens',
      title: 'Tokens out',
      value: (one) => one.output_tokens,
      shown: (one) => grouped(one.output_tokens),
      number: true,
      wide: true,
    },
    {
      id: 'since',
      title: 'Since',
      value: (one) => one.first_at,
      shown: (one) => dateText(one.first_at, zone),
    },
    {
      id: 'next',
      title: 'Next step',
      value: (one) => (one.priced_now ? 'price anew' : 'set a price'),
      shown: (one) =>
        one.priced_now ? (
          <span className="label">
            has a price now: <code>tallystick prices reprice</code>
          </span>
        ) : price && one.model ? (
          <Button size="compact-sm" variant="default" onClick={() => price(one)}>
            Set a price
          </Button>
        ) : (
          <span className="quiet">{one.model ? 'a price' : 'a meter'} is missing</span>
        ),
    },
  ]
  return (
    <Section title="Without a price" end={<AsCsv name="unpriced" columns={columns} rows={data} />}>
      <p className="soft intro">
        These calls count nothing in any sum until their price is known. What is booked already is priced anew
        by <code>tallystick prices reprice</code>, which shows the effect before it posts anything.
      </p>
      <Book
        caption="Without a price"
        columns={columns}
        rows={data}
        id={(one) => `${one.provider} ${one.model} ${one.operation}`}
      />
    </Section>
  )
}

function Models({
  slug,
  search,
  set,
}: {
  slug: string
  search: PriceSearch
  set: (more: Partial<PriceSearch>, replace?: boolean) => void
}) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery({
      queryKey: ['prices', 'models', search.q ?? ''],
      queryFn: async ({ pageParam }) =>
        (
          await getPrices({
            query: { q: search.q ?? '', limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
            throwOnError: true,
          })
        ).data,
      initialPageParam: '',
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      placeholderData: (before) => before,
    })
  const models = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  const columns = useMemo(() => columnsOf(slug, models), [slug, models])
  const first = data?.pages[0]
  return (
    <Section
      title="Models"
      end={first && `${grouped(first.found)} of the book ${first.version.split('.')[0]}, $ a million tokens`}
    >
      <div className="chips above">
        <TextInput
          data-filter
          aria-label="Search models"
          placeholder="Search by provider and name"
          leftSection={<IconSearch size={16} aria-hidden />}
          w={300}
          maw="100%"
          value={search.q ?? ''}
          onChange={(event) => set({ q: event.currentTarget.value || undefined }, true)}
        />
        <AsCsv name="prices" columns={columns} rows={models} />
      </div>
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={8} />
      ) : models.length === 0 ? (
        <Empty
          title="No model of that name"
          action={
            <Button variant="default" onClick={() => set({ q: undefined })}>
              Show all models
            </Button>
          }
        >
          A model of your own, or one newer than the book, is priced with an override.
        </Empty>
      ) : (
        <>
          <Book
            caption="Models"
            columns={columns}
            rows={models}
            id={(one) => `${one.provider} ${one.model}`}
            sort={search.sort}
            onSort={(sort) => set({ sort }, true)}
          />
          {hasNextPage && (
            <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
              More models
            </Button>
          )}
        </>
      )}
    </Section>
  )
}

function columnsOf(slug: string, models: readonly Priced[]): Column<Priced>[] {
  const rate = (
    id: 'input_usd' | 'cached_usd' | 'output_usd',
    title: string,
    wide = false,
  ): Column<Priced> => ({
    id,
    title,
    value: (one) => one[id],
    shown: (one) =>
      one.free ? (
        'free'
      ) : one[id] === null ? (
        <span className="quiet">–</span>
      ) : (
        <Dollars rate={one[id]} decimals={decimalsOf(models.map((each) => each[id]))} />
      ),
    number: true,
    wide,
  })
  return [
    {
      id: 'model',
      title: 'Model',
      value: (one) => one.model,
      shown: (one) => (
        <Link
          to="/o/$slug/prices/model"
          params={{ slug }}
          search={{ provider: one.provider, model: one.model }}
        >
          {one.model}
        </Link>
      ),
    },
    { id: 'provider', title: 'Provider', value: (one) => one.provider },
    rate('input_usd', 'Input'),
    rate('cached_usd', 'Cached input', true),
    rate('output_usd', 'Output'),
    {
      id: 'context_window',
      title: 'Context',
      value: (one) => one.context_window,
      shown: (one) =>
        one.context_window === null ? <span className="quiet">–</span> : grouped(one.context_window),
      number: true,
      wide: true,
    },
    {
      id: 'agreed',
      title: 'Whose price',
      value: (one) => (one.agreed ? 'agreed' : 'list'),
      shown: (one) => (one.agreed ? <span className="tag accent">agreed</span> : 'list'),
      wide: true,
    },
  ]
}
