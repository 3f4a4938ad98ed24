// One provider: how it answers, the credentials that are kept for it, what goes to it, and the routes it is known for.
import { Button, Switch } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { getProvidersProvider } from '../api/sdk.gen'
import type { ModelFigures, OneProvider, OperationFigures, RouteShown } from '../api/types.gen'
import { FAILED } from '../filters'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Copy } from '../parts/Copy'
import { Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { msText } from '../parts/Rate'
import { Coming, Fault } from '../parts/states'
import { trafficOf } from '../parts/traffic'
import { daysOf, labelOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { Credentials } from './Credentials'
import type { CallSearch } from './callsearch'

export default function Provider() {
  const search = useSearch({ from: '/o/$slug/providers/$id' })
  const { slug, id } = useParams({ from: '/o/$slug/providers/$id' })
  const session = useSession()
  const { zone, known } = useZone()
  const [adding, setAdding] = useState(false)
  const range = wholeDays(search, todayIn(zone))
  const { start, end } = daysOf(search, todayIn(zone))
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['providers', id, start, end],
    queryFn: async () =>
      (await getProvidersProvider({ path: { provider: id }, query: { start, end }, throwOnError: true }))
        .data,
    enabled: known,
  })
  const keeps = may(session, 'owner', 'admin')
  return (
    <Page
      title={data?.name ?? id}
      question={
        data?.base_url ? (
          <>
            Calls go to <code>{data.base_url}</code> <Copy text={data.base_url} what="the address" />
          </>
        ) : (
          'Where do calls go, and how does it answer?'
        )
      }
      actions={
        keeps &&
        data?.base_url && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
            Store credential
          </Button>
        )
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={10} />
      ) : (
        <>
          <Told one={data} slug={slug} range={range} />
          {may(session, 'owner', 'admin', 'auditor') && (
            <Credentials provider={data} changes={keeps} adding={adding} add={setAdding} />
          )}
          <Models one={data} slug={slug} range={range} />
          <Operations one={data} slug={slug} range={range} />
          <Routes one={data} />
        </>
      )}
    </Page>
  )
}

type Part = { one: OneProvider; slug: string; range: RangeSearch }

function Told({ one, slug, range }: Part) {
  const toCalls = (more: object, shown: ReactNode) => (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, kind: 'calls', provider: one.id, ...more }}
    >
      {shown}
    </Link>
  )
  return (
    <div className="figures">
      <Figure
        label="Cost"
        note={
          one.states_cost ? 'as the provider states it' : one.free ? 'self-hosted: free' : 'by the price book'
        }
      >
        {toCalls({}, <Money nanos={one.cost_nanos as never} />)}
      </Figure>
      <Figure label="Calls" note={labelOf(range)}>
        {toCalls({}, grouped(one.requests))}
      </Figure>
      <Figure label="Errors" note={one.errors ? `${grouped(one.errors)} attempts failed` : ''}>
        {one.error_rate === null
          ? '–'
          : toCalls({ filters: [FAILED] }, `${(100 * one.error_rate).toFixed(1)} %`)}
      </Figure>
      <Figure
        label="Latency, median"
        note={one.latency_p95_us === null ? '' : `95 % within ${msText(one.latency_p95_us)}`}
      >
        {msText(one.latency_p50_us) ?? '–'}
      </Figure>
      <Figure
        label="Prices"
        note={
          <Link to="/o/$slug/prices" params={{ slug }} search={{ q: one.id }}>
            {one.prices_checked_on ? `compared ${one.prices_checked_on}` : 'none in the book'}
          </Link>
        }
      >
        {grouped(one.priced_models)}
      </Figure>
    </div>
  )
}

type Counted = Omit<ModelFigures, 'model'>

function counted<Row extends Counted>(
  rows: readonly Row[],
  slug: string,
  callsOf: (row: Row) => CallSearch,
): Column<Row>[] {
  return [
    ...trafficOf(rows, slug, callsOf),
    {
      id: 'median_us',
      title: 'Median',
      value: (one) => one.latency_p50_us,
      shown: (one) => msText(one.latency_p50_us) ?? '–',
      number: true,
      wide: true,
    },
    {
      id: 'p95_us',
      title: '95 %',
      value: (one) => one.latency_p95_us,
      shown: (one) => msText(one.latency_p95_us) ?? '–',
      number: true,
      wide: true,
    },
  ]
}

function Models({ one, slug, range }: Part) {
  const columns: Column<ModelFigures>[] = [
    {
      id: 'model',
      title: 'Model',
      value: (row) => row.model,
      shown: (row) =>
        row.model ? (
          <Link to="/o/$slug/prices/model" params={{ slug }} search={{ provider: one.id, model: row.model }}>
            {row.model}
          </Link>
        ) : (
          <span className="quiet">none named</span>
        ),
    },
    ...counted(one.models, slug, ({ model }) => ({
      ...range,
      provider: one.id,
      filters: [{ dimension: 'model', test: 'is', values: [model] }],
    })),
  ]
  return one.models.length === 0 ? null : (
    <Section title="By model" end={<AsCsv name={`${one.id}-models`} columns={columns} rows={one.models} />}>
      <Book caption="By model" columns={columns} rows={one.models} id={(row) => row.model ?? ''} />
    </Section>
  )
}

function Operations({ one, slug, range }: Part) {
  const callsOf = ({ operation }: OperationFigures): CallSearch => ({
    ...range,
    provider: one.id,
    filters: [{ dimension: 'operation', test: 'is', values: [operation] }],
  })
  const columns: Column<OperationFigures>[] = [
    {
      id: 'operation',
      title: 'Operation',
      value: (row) => row.operation,
      shown: (row) =>
        row.listed ? (
          row.operation
        ) : (
          <>
            <Link
              to="/o/$slug/requests"
              params={{ slug }}
              search={{ ...callsOf(row), kind: 'calls' }}
              className="name"
            >
              routes that are not known
            </Link>{' '}
            <span className="tag amber">not metered</span>
          </>
        ),
    },
    ...counted(one.operations, slug, callsOf),
  ]
  return one.operations.length === 0 ? null : (
    <Section
      title="By operation"
      end={<AsCsv name={`${one.id}-operations`} columns={columns} rows={one.operations} />}
    >
      <Book
        caption="By operation"
        columns={columns}
        rows={one.operations}
        id={(row) => row.operation ?? ''}
      />
    </Section>
  )
}

function Routes({ one }: { one: OneProvider }) {
  const [free, setFree] = useState(false)
  const billed = one.table.filter((row) => row.billable)
  const rows = free ? one.table : billed
  const columns = useMemo(
    (): Column<RouteShown>[] => [
      { id: 'method', title: 'Method', value: (row) => row.method },
      { id: 'path', title: 'Path', value: (row) => row.path, shown: (row) => <code>{row.path}</code> },
      { id: 'operation', title: 'Operation', value: (row) => row.operation, wide: true },
      {
        id: 'bill',
        title: 'Bill',
        value: (row) => billText(row),
        shown: (row) => (
          <span className={billText(row) === 'no meter yet' ? 'tag amber' : 'quiet'}>{billText(row)}</span>
        ),
      },
    ],
    [],
  )
  return (
    <Section title="Known routes" end={<AsCsv name={`${one.id}-routes`} columns={columns} rows={rows} />}>
      {billed.length < one.table.length && (
        <div className="chips above">
          <Switch
            label={`Routes that cost nothing (${one.table.length - billed.length})`}
            checked={free}
            onChange={(event) => setFree(event.currentTarget.checked)}
          />
        </div>
      )}
      <Book caption="Known routes" columns={columns} rows={rows} id={(row) => `${row.method} ${row.path}`} />
      {one.docs_url !== '' && (
        <p className="label below">
          As{' '}
          <a href={one.docs_url} target="_blank" rel="noreferrer">
            its documentation
          </a>{' '}
          has them.{one.regions.length > 0 && ` Regions: ${one.regions.join(', ')}.`}
        </p>
      )}
    </Section>
  )
}

const billText = (row: RouteShown) => (!row.billable ? 'free' : row.metered ? 'metered' : 'no meter yet')
