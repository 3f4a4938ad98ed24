// Figures over time, one colour per name: bars on top of each other where they add up to a whole, else lines. Both begin
// at zero. The same figures stand in a table, for who cannot see the chart and for who would rather read.
import {
  Bar,
  CartesianGrid,
  ComposedChart,
  Line as Curve,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts'

/** `names`: what a click on it narrows down to; null where it is no single group. */
export type Line = {
  id: string
  name: string
  colour: string
  names: (string | null)[] | null
  values: (bigint | null)[]
}

type Asked = {
  caption: string
  buckets: readonly string[]
  bucketText: (bucket: string) => string
  lines: readonly Line[]
  shown: (amount: bigint | null) => string
  axis: (amount: bigint) => string
  whole: boolean
  stacked: boolean
  excludes: boolean
  pick: (names: (string | null)[], not: boolean) => void
}
type Row = { bucket: string; place: number }

export default function Course({
  caption,
  buckets,
  bucketText,
  lines,
  shown,
  axis,
  whole,
  stacked,
  excludes,
  pick,
}: Asked) {
  const rows: Row[] = buckets.map((bucket, place) => ({ bucket, place }))
  const length = (line: Line) => (row: Row) => {
    const value = line.values[row.place] ?? null
    return value === null ? null : Number(value)
  }
  // A point of a line has half its dot beside it; bars keep their distance themselves.
  const edge = stacked ? 0 : 12
  return (
    <>
      <div className="legend">
        {lines.map((line) => (
          <Name key={line.id} line={line} excludes={excludes} pick={pick} />
        ))}
      </div>
      <div className="chart" aria-hidden>
        <ResponsiveContainer>
          <ComposedChart
            data={rows}
            margin={{ top: 4, right: 0, bottom: 0, left: 0 }}
            barCategoryGap="18%"
            accessibilityLayer={false}
          >
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="bucket"
              tickFormatter={bucketText}
              tickLine={false}
              axisLine={{ stroke: 'var(--line-strong)' }}
              minTickGap={32}
              padding={{ left: edge, right: edge }}
            />
            <YAxis
              orientation="right"
              domain={[0, 'auto']}
              tickFormatter={(value: number) => axis(BigInt(Math.round(value)))}
              tickCount={4}
              allowDecimals={false}
              tickLine={false}
              axisLine={false}
              width={72}
            />
            <Tooltip
              content={<Tip lines={lines} shown={shown} bucketText={bucketText} whole={whole} />}
              cursor={{ fill: 'var(--paper-sunk)', stroke: 'var(--line-strong)' }}
              isAnimationActive={false}
            />
            {lines.map((line) =>
              stacked ? (
                <Bar
                  key={line.id}
                  name={line.name}
                  stackId="whole"
                  dataKey={length(line)}
                  fill={line.colour}
                  stroke="var(--paper)"
                  strokeWidth={0.5}
                  maxBarSize={36}
                  cursor={line.names?.length ? 'pointer' : undefined}
                  onClick={(_, __, event) => line.names?.length && pick(line.names, excludes && event.altKey)}
                  isAnimationActive={false}
                />
              ) : (
                <Curve
                  key={line.id}
                  name={line.name}
                  dataKey={length(line)}
                  stroke={line.colour}
                  strokeWidth={2}
                  dot={{ r: 2, fill: line.colour }}
                  isAnimationActive={false}
                />
              ),
            )}
          </ComposedChart>
        </ResponsiveContainer>
      </div>
      <div className="visually-hidden">
        <Courses {...{ caption, buckets, bucketText, lines, shown }} />
      </div>
    </>
  )
}

function Name({ line, excludes, pick }: { line: Line } & Pick<Asked, 'excludes' | 'pick'>) {
  const { names } = line
  const told = (
    <>
      <i className="dot" style={{ background: line.colour }} />
      {line.name}
    </>
  )
  return names?.length ? (
    <button
      type="button"
      className="pick nowrap"
      title={`Only ${line.name}${excludes ? '; with Alt all but that' : ''}`}
      onClick={(event) => pick(names, excludes && event.altKey)}
    >
      {told}
    </button>
  ) : (
    <span className="nowrap">{told}</span>
  )
}

/** Time downwards, names across. */
export function Courses({
  caption,
  buckets,
  bucketText,
  lines,
  shown,
}: Pick<Asked, 'caption' | 'buckets' | 'bucketText' | 'lines' | 'shown'>) {
  return (
    <table className="book">
      <caption className="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          {lines.map((line) => (
            <th scope="col" className="number" key={line.id}>
              {line.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {buckets.map((bucket, place) => (
          <tr key={bucket}>
            <td>{bucketText(bucket)}</td>
            {lines.map((line) => (
              <td key={line.id} className="number">
                {shown(line.values[place] ?? null)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Tip({
  active,
  payload,
  lines,
  shown,
  bucketText,
  whole,
}: {
  active?: boolean
  payload?: readonly { payload: Row }[]
} & Pick<Asked, 'lines' | 'shown' | 'bucketText' | 'whole'>) {
  const row = payload?.[0]?.payload
  if (!active || !row) return null
  const told = lines.filter((line) => line.values[row.place])
  return (
    <div className="tip">
      <div className="label">{bucketText(row.bucket)}</div>
      {told.map((line) => (
        <div key={line.id} className="tip-row">
          <span>
            <i className="dot" style={{ background: line.colour }} />
            {line.name}
          </span>
          <span>{shown(line.values[row.place] ?? null)}</span>
        </div>
      ))}
      {whole && (
        <div className="tip-row sum">
          <span>Together</span>
          <span>{shown(told.reduce((sum, line) => sum + (line.values[row.place] ?? 0n), 0n))}</span>
        </div>
      )}
    </div>
  )
}
