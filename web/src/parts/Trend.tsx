// Spend over time, stacked by name. Bars begin at zero; the same figures stand in a table for who cannot see them.
import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts'
import type { Explored } from '../api/types.gen'
import { entityColour } from '../entity'
import { length, money } from '../money'
import { dayText } from '../range'

type Row = { bucket: string } & Record<string, string>
type Stack = { id: string; name: string; colour: string }

export default function Trend({ explored }: { explored: Explored }) {
  const stacks: (Stack & { values: string[] })[] = explored.series.map((one, place) => ({
    id: `s${place}`,
    name: one.names[0] ?? 'Unknown',
    colour: entityColour('model', one.names[0] ?? null),
    values: one.values.map(nanos),
  }))
  if (explored.other)
    stacks.push({
      id: 'other',
      name: 'All others',
      colour: 'var(--entity-rest)',
      values: explored.other.values.map(nanos),
    })
  const rows = explored.buckets.map((bucket, place) => ({
    bucket,
    ...Object.fromEntries(stacks.map((one) => [one.id, one.values[place] ?? '0'])),
  })) as Row[]
  return (
    <>
      <div className="legend">
        {stacks.map((one) => (
          <span key={one.id} className="nowrap">
            <i className="dot" style={{ background: one.colour }} />
            {one.name}
          </span>
        ))}
      </div>
      <div className="chart" aria-hidden>
        <ResponsiveContainer>
          <BarChart
            data={rows}
            margin={{ top: 4, right: 0, bottom: 0, left: 0 }}
            barCategoryGap="18%"
            accessibilityLayer={false}
          >
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="bucket"
              tickFormatter={short}
              tickLine={false}
              axisLine={{ stroke: 'var(--line-strong)' }}
              minTickGap={32}
            />
            <YAxis
              orientation="right"
              tickFormatter={(value: number) => money(BigInt(Math.round(value * 1e6)) * 1000n)}
              tickCount={4}
              tickLine={false}
              axisLine={false}
              width={72}
            />
            <Tooltip
              content={<Tip stacks={stacks} />}
              cursor={{ fill: 'var(--paper-sunk)' }}
              isAnimationActive={false}
            />
            {stacks.map((one) => (
              <Bar
                key={one.id}
                name={one.name}
                stackId="spend"
                dataKey={(row: Row) => length(row[one.id] ?? '0')}
                fill={one.colour}
                maxBarSize={36}
                isAnimationActive={false}
              />
            ))}
          </BarChart>
        </ResponsiveContainer>
      </div>
      <div className="visually-hidden">
        <table>
          <caption>Spend by model and time</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {stacks.map((one) => (
                <th scope="col" key={one.id}>
                  {one.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.bucket}>
                <th scope="row">{short(row.bucket)}</th>
                {stacks.map((one) => (
                  <td key={one.id}>{money(row[one.id] ?? '0')}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function Tip({
  active,
  payload,
  stacks,
}: {
  active?: boolean
  payload?: readonly { payload: Row }[]
  stacks: Stack[]
}) {
  const row = payload?.[0]?.payload
  if (!active || !row) return null
  const told = stacks.filter((one) => row[one.id] !== '0')
  const total = told.reduce((sum, one) => sum + BigInt(row[one.id] ?? 0), 0n)
  return (
    <div className="tip">
      <div className="label">{short(row.bucket)}</div>
      {told.map((one) => (
        <div key={one.id} className="tip-row">
          <span>
            <i className="dot" style={{ background: one.colour }} />
            {one.name}
          </span>
          <span>{money(row[one.id] ?? '0')}</span>
        </div>
      ))}
      <div className="tip-row sum">
        <span>Together</span>
        <span>{money(total)}</span>
      </div>
    </div>
  )
}

/** A bar's amount: whole nanos, whose last digits a bar cannot show once they pass 2^53. */
const nanos = (value: number | null) => BigInt(Math.round(value ?? 0)).toString()

function short(bucket: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(bucket) ? dayText(bucket) : bucket.slice(11, 16)
}
