// What is left of a budget over its window, against the even pace. The same figures stand in a table for who cannot see them.
import { CartesianGrid, ComposedChart, Line, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts'
import { type Point, paceAt, type Span } from '../burndown'

type Asked = {
  limit: bigint
  points: readonly Point[]
  span: Span
  shown: (amount: bigint) => string
  atText: (at: number) => string
}
type Row = { at: number; left: number | null; pace: number }

export default function BurnDown({ limit, points, span, shown, atText }: Asked) {
  const rows: Row[] = [
    ...points.map(({ at, left }) => ({ at, left: Number(left), pace: Number(paceAt(limit, at, span)) })),
    ...(span.now < span.end ? [{ at: span.end, left: null, pace: 0 }] : []),
  ]
  const told = new Map(points.map((point) => [point.at, point]))
  return (
    <>
      <div className="legend">
        <span>
          <i className="dot" style={{ background: 'var(--accent)' }} />
          Left
        </span>
        <span>
          <i className="dash" />
          Even pace
        </span>
      </div>
      <div className="chart" aria-hidden>
        <ResponsiveContainer>
          <ComposedChart
            data={rows}
            margin={{ top: 4, right: 0, bottom: 0, left: 0 }}
            accessibilityLayer={false}
          >
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="at"
              type="number"
              domain={[span.start, span.end]}
              tickFormatter={atText}
              tickLine={false}
              axisLine={{ stroke: 'var(--line-strong)' }}
              minTickGap={48}
            />
            <YAxis
              orientation="right"
              domain={[(least: number) => Math.min(0, least), 'auto']}
              tickFormatter={(value: number) => shown(BigInt(Math.round(value)))}
              tickCount={4}
              tickLine={false}
              axisLine={false}
              width={76}
            />
            <Tooltip
              isAnimationActive={false}
              cursor={{ stroke: 'var(--line-strong)' }}
              content={({ active, payload }) => {
                const row = payload?.[0]?.payload as Row | undefined
                const point = row && told.get(row.at)
                return active && point ? (
                  <div className="tip">
                    <div className="label">{atText(point.at)}</div>
                    <div className="tip-row">
                      <span>Left</span>
                      <span>{shown(point.left)}</span>
                    </div>
                    <div className="tip-row">
                      <span>Even pace</span>
                      <span>{shown(paceAt(limit, point.at, span))}</span>
                    </div>
                  </div>
                ) : null
              }}
            />
            <Line
              dataKey="pace"
              stroke="var(--ink-quiet)"
              strokeDasharray="4 4"
              strokeWidth={1.5}
              dot={false}
              isAnimationActive={false}
            />
            <Line
              dataKey="left"
              stroke="var(--accent)"
              strokeWidth={2}
              dot={points.length < 3 ? { r: 3, fill: 'var(--accent)' } : false}
              isAnimationActive={false}
            />
          </ComposedChart>
        </ResponsiveContainer>
      </div>
      <table className="visually-hidden">
        <caption>What was left</caption>
        <thead>
          <tr>
            <th scope="col">At</th>
            <th scope="col">Left</th>
            <th scope="col">Even pace</th>
          </tr>
        </thead>
        <tbody>
          {points.map((point) => (
            <tr key={point.at}>
              <td>{atText(point.at)}</td>
              <td data-left={String(point.left)}>{shown(point.left)}</td>
              <td>{shown(paceAt(limit, point.at, span))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
