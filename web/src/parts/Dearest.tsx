// The dearest names of a dimension among some calls: each leads to its calls, and what is left stands beneath.
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { getExplore } from '../api/sdk.gen'
import type { Filter } from '../filters'
import { grouped, length, places } from '../money'
import type { Days } from '../range'
import { Money } from './Money'
import { Section } from './Page'
import { Coming, Fault } from './states'

const ROWS = 6

/** `link`: how a name is shown; it leads to where its calls are. */
export function Dearest({
  title,
  group,
  days,
  filters,
  none,
  link,
}: {
  title: string
  group: string
  days: Days
  filters: readonly Filter[]
  none: string
  link: (name: string) => ReactNode
}) {
  const { data, error } = useQuery({
    queryKey: ['explore', group, days, filters, 'dearest'],
    queryFn: async () =>
      (
        await getExplore({
          query: { ...days, group: [group], grain: 'none', top: ROWS, filters: JSON.stringify(filters) },
          throwOnError: true,
        })
      ).data,
  })
  if (error || !data)
    return <Section title={title}>{error ? <Fault problem={error} /> : <Coming rows={3} />}</Section>
  if (!data.series.some((one) => one.names[0] !== null)) return null
  const decimals = places(data.series.map((one) => one.cost_nanos))
  const most = length(data.series[0]?.cost_nanos ?? '0')
  return (
    <Section title={title} end={data.groups > ROWS ? `${ROWS} of ${grouped(data.groups)}` : undefined}>
      <table className="book" aria-label={title}>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Calls</th>
            <th scope="col">Share</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {data.series.map((one) => {
            const name = one.names[0] ?? null
            return (
              <tr key={name ?? ''}>
                <td>{name === null ? <span className="quiet">{none}</span> : link(name)}</td>
                <td className="number label wide-only">{grouped(one.requests)} calls</td>
                <td style={{ width: '26%' }} className="wide-only">
                  <i
                    className="share"
                    style={{
                      width: `${most ? (length(one.cost_nanos) / most) * 100 : 0}%`,
                      background: 'var(--bar)',
                    }}
                  />
                </td>
                <td className="number">
                  <Money nanos={one.cost_nanos} decimals={decimals} />
                </td>
              </tr>
            )
          })}
          {data.other && (
            <tr>
              <td className="quiet">All others</td>
              <td className="number label wide-only">{grouped(data.other.requests)} calls</td>
              <td className="wide-only" />
              <td className="number">
                <Money nanos={data.other.cost_nanos} decimals={decimals} />
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </Section>
  )
}
