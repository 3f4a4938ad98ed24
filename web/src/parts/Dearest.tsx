// The dearest names of a dimension among all or some calls: each leads to its calls, and what is left stands beneath.
import { Tooltip } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { getExplore } from '../api/sdk.gen'
import type { Filter } from '../filters'
import { grouped, nanosOf, percent, places } from '../money'
import type { Period } from '../range'
import { useKeyNames } from './keynames'
import { Money } from './Money'
import { Section } from './Page'
import { Coming, Fault } from './states'

const ROWS = 6

/** `link`: how a name is shown; it leads to where its calls are. `all`: the way to all of the names. `unit`: what calls are named. `colour`: the name's
 * colour on a chart, where one stands beside it. `tips`: whether a bar tells its share of the whole. */
export function Dearest({
  title,
  group,
  days,
  filters,
  none,
  link,
  all,
  unit = 'calls',
  colour,
  tips,
}: {
  title: string
  group: string
  days: Period
  filters?: readonly Filter[]
  none: string
  link: (name: string, said: string) => ReactNode
  all?: (what: string) => ReactNode
  unit?: 'calls' | 'requests'
  colour?: (name: string | null) => string
  tips?: boolean
}) {
  const { data, error } = useQuery({
    queryKey: ['explore', group, days, filters, 'dearest'],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...days,
            group: [group],
            grain: 'none',
            top: ROWS,
            ...(filters && { filters: JSON.stringify(filters) }),
          },
          throwOnError: true,
        })
      ).data,
  })
  const keys = group === 'key' ? (data?.series ?? []).flatMap((one) => one.names[0] ?? []) : []
  const nameOfKey = useKeyNames(keys)
  if (error || !data)
    return <Section title={title}>{error ? <Fault problem={error} /> : <Coming rows={3} />}</Section>
  if (!data.series.some((one) => one.names[0] !== null)) return null
  const decimals = places(data.series.map((one) => one.cost_nanos))
  const dearest = nanosOf(data.series[0]?.cost_nanos ?? 0n)
  return (
    <Section
      title={title}
      end={
        all
          ? all(data.groups > ROWS ? `All ${grouped(data.groups)}` : 'Explore')
          : data.groups > ROWS && `${ROWS} of ${grouped(data.groups)}`
      }
    >
      <table className="book" aria-label={title}>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">{unit === 'calls' ? 'Calls' : 'Requests'}</th>
            <th scope="col">Share</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {data.series.map((one) => {
            const name = one.names[0] ?? null
            const bar = (
              <i
                className="share"
                style={{ width: width(one.cost_nanos, dearest), background: colour?.(name) ?? 'var(--bar)' }}
              />
            )
            return (
              <tr key={name ?? ''}>
                <td>
                  {colour && <i className="dot" style={{ background: colour(name) }} />}
                  {name === null ? <span className="quiet">{none}</span> : link(name, nameOfKey(name))}
                </td>
                <td className="number label wide-only">
                  {grouped(one.requests)} {unit}
                </td>
                <td style={{ width: '26%' }} className="wide-only">
                  {tips ? (
                    <Tooltip label={percent(one.cost_nanos, data.total.cost_nanos) ?? ''}>{bar}</Tooltip>
                  ) : (
                    bar
                  )}
                </td>
                <td className="number">
                  <Money nanos={one.cost_nanos} decimals={decimals} />
                </td>
              </tr>
            )
          })}
          {data.other && (
            <tr>
              <td className="quiet">
                {colour && <i className="dot" style={{ background: 'var(--entity-rest)' }} />}
                All others
              </td>
              <td className="number label wide-only">
                {grouped(data.other.requests)} {unit}
              </td>
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

const width = (cost: string, dearest: bigint) =>
  `${dearest > 0n ? Number((nanosOf(cost) * 1000n) / dearest) / 10 : 0}%`
