// The groups of the cost explorer one beneath the other, and what they come to together. A name narrows down to itself,
// an amount leads to its requests.
import { Link } from '@tanstack/react-router'
import type { Explored, Measures } from '../api/types.gen'
import { titleOf } from '../filters'
import { grouped, money, nanosOf, percent, places } from '../money'
import { Book, type Column } from '../parts/Book'
import { Money } from '../parts/Money'
import { amountOf, changeOf, METRICS, type Metric, shown } from './exploremetrics'
import { type ExploreSearch, requestsOf } from './exploresearch'

/** `names`: null of what is left beside the groups that are told. */
type Row = { names: (string | null)[] | null; now: Measures; before: Measures | null }
type Told = Column<Row>

type Asked = {
  explored: Explored
  metric: Metric
  search: ExploreSearch
  slug: string
  said: (dimension: string, name: string | null) => string
  dot: (names: (string | null)[] | null) => string
  pick: (names: (string | null)[], not: boolean) => void
  onSort: (sort: string | undefined) => void
}

export function Groups(asked: Asked) {
  const { explored, metric } = asked
  const rows: Row[] = explored.series.map((one) => ({ names: one.names, now: one, before: one.before }))
  if (explored.other) rows.push({ names: null, now: explored.other, before: null })
  const columns: Told[] = [
    ...explored.group.map((dimension, place) => nameColumn(asked, dimension, place)),
    ...(metric === 'cost' || metric === 'requests' || metric === 'tokens' ? [] : [metricColumn(asked, rows)]),
    {
      id: 'requests',
      title: 'Requests',
      number: true,
      wide: metric !== 'requests',
      value: ({ now }) => now.requests,
      shown: ({ now }) => grouped(now.requests),
      total: grouped(explored.total.requests),
    },
    {
      id: 'tokens',
      title: 'Tokens',
      number: true,
      wide: metric !== 'tokens',
      value: ({ now }) => tokens(now),
      shown: ({ now }) => grouped(tokens(now)),
      total: grouped(tokens(explored.total)),
    },
    costColumn(asked, rows),
    ...(METRICS[metric].adds && !explored.overlapping ? [shareColumn(asked)] : []),
    ...(explored.before ? changeColumns(asked) : []),
  ]
  return (
    <Book
      caption={`${METRICS[metric].title} by ${explored.group.map(titleOf).join(' and ')}`}
      columns={columns}
      rows={rows}
      id={(row) => JSON.stringify(row.names)}
      sort={asked.search.sort}
      onSort={asked.onSort}
      adjustable
    />
  )
}

function nameColumn({ said, dot, pick }: Asked, dimension: string, place: number): Told {
  return {
    id: dimension,
    title: titleOf(dimension),
    value: ({ names }) => names && said(dimension, names[place] ?? null),
    shown: ({ names }) => {
      const mark = place === 0 && <i className="dot" style={{ background: dot(names) }} />
      if (!names) return place === 0 ? <span className="quiet">{mark}All others</span> : ''
      const name = said(dimension, names[place] ?? null)
      return (
        <button
          type="button"
          className={names[place] === null ? 'pick quiet' : 'pick'}
          title={`Only ${name}; with Alt all but that`}
          onClick={(event) => {
            const alone: (string | null)[] = []
            alone[place] = names[place] ?? null
            pick(alone, event.altKey)
          }}
        >
          {mark}
          {name}
        </button>
      )
    },
    total: place === 0 ? 'Total' : '',
  }
}

function metricColumn({ explored, metric }: Asked, rows: Row[]): Told {
  const amounts = [...rows.map(({ now }) => now), explored.total].map((now) => amountOf(now, metric) ?? 0n)
  const decimals = places(amounts)
  const told = (amount: bigint | null) =>
    METRICS[metric].unit === 'money' && amount !== null ? (
      <Money nanos={amount} decimals={decimals} />
    ) : (
      shown(amount, metric)
    )
  return {
    id: metric,
    title: METRICS[metric].title,
    number: true,
    value: ({ now }) => amountOf(now, metric),
    shown: ({ now }) => told(amountOf(now, metric)),
    total: told(amountOf(explored.total, metric)),
  }
}

function costColumn({ explored, metric, search, slug }: Asked, rows: Row[]): Told {
  const decimals = places([...rows, { now: explored.total }].map(({ now }) => cost(now)))
  const led = (row: { names: (string | null)[] | null; now: Measures }) => {
    if (row.names === null) return <Money nanos={cost(row.now)} decimals={decimals} />
    return (
      <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={requestsOf(search, row.names)}>
        <Money nanos={cost(row.now)} decimals={decimals} />
      </Link>
    )
  }
  return {
    id: 'cost_nanos',
    title: 'Cost',
    number: true,
    wide: metric !== 'cost',
    value: ({ now }) => nanosOf(cost(now)),
    shown: led,
    total: led({ names: [], now: explored.total }),
  }
}

function shareColumn({ explored, metric }: Asked): Told {
  const whole = amountOf(explored.total, metric) ?? 0n
  return {
    id: 'share',
    title: 'Share',
    number: true,
    wide: explored.before !== null,
    value: ({ now }) => amountOf(now, metric),
    shown: ({ now }) => percent(amountOf(now, metric) ?? 0n, whole) ?? '–',
    total: percent(whole, whole) ?? '–',
  }
}

function changeColumns({ explored, metric }: Asked): Told[] {
  const of = (now: Measures, before: Measures | null) =>
    before && changeOf(amountOf(now, metric), amountOf(before, metric), metric)
  const all = of(explored.total, explored.before)
  return [
    {
      id: 'change',
      title: 'Change',
      number: true,
      value: ({ now, before }) => of(now, before)?.size ?? null,
      shown: ({ now, before }) => of(now, before)?.by ?? <span className="quiet">–</span>,
      total: all?.by ?? '–',
    },
    {
      id: 'rate',
      title: 'in %',
      number: true,
      wide: true,
      unsorted: true,
      value: ({ now, before }) => of(now, before)?.rate ?? null,
      shown: ({ now, before }) => of(now, before)?.rate ?? <span className="quiet">new</span>,
      total: all?.rate ?? '–',
    },
  ]
}

export function changeText(explored: Explored, metric: Metric): string {
  if (!explored.before) return ''
  const change = changeOf(amountOf(explored.total, metric), amountOf(explored.before, metric), metric)
  if (!change) return 'nothing'
  if (change.size === 0n) return 'no change'
  return `${change.by}${change.rate ? ` (${change.rate})` : ''}`
}

export const tokens = (now: Measures) => now.input_tokens + now.output_tokens
export const cost = (now: Measures) => now.cost_nanos as unknown as string
export const each = (now: Measures) =>
  now.requests ? `${money(nanosOf(cost(now)) / BigInt(now.requests))} each` : ''
