// Spend by model over time: the chart of the explorer, whose names and bars lead there.
import { useNavigate } from '@tanstack/react-router'
import type { Explored } from '../api/types.gen'
import { entityColour } from '../entity'
import type { Filter } from '../filters'
import { money } from '../money'
import { dayText, type RangeSearch } from '../range'
import Course, { type Line } from './Course'

export default function Trend({
  explored,
  slug,
  range,
  filters = [],
}: {
  explored: Explored
  slug: string
  range: RangeSearch
  /** What the whole chart is narrowed down to. */
  filters?: readonly Filter[]
}) {
  const navigate = useNavigate()
  const lines: Line[] = explored.series.map((one, place) => ({
    id: `s${place}`,
    name: one.names[0] ?? 'Unknown',
    colour: entityColour('model', one.names[0] ?? null),
    names: one.names,
    values: one.values.map(nanos),
  }))
  if (explored.other)
    lines.push({
      id: 'other',
      name: 'All others',
      colour: 'var(--entity-rest)',
      names: null,
      values: explored.other.values.map(nanos),
    })
  return (
    <Course
      caption="Spend by model and time"
      buckets={explored.buckets}
      bucketText={short}
      lines={lines}
      shown={(amount) => (amount === null ? '–' : money(amount))}
      axis={money}
      whole
      stacked
      pick={([model = null], not) =>
        navigate({
          to: '/o/$slug/explore',
          params: { slug },
          search: {
            ...range,
            group: 'model',
            filters: [...filters, { dimension: 'model', test: not ? 'is_not' : 'is', values: [model] }],
          },
        })
      }
    />
  )
}

/** A bar's amount: whole nanos, whose last digits a bar cannot show once they pass 2^53. */
const nanos = (value: number | null) => (value === null ? null : BigInt(Math.round(value)))

function short(bucket: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(bucket) ? dayText(bucket) : bucket.slice(11, 16)
}
