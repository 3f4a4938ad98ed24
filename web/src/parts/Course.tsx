// Figures over time, one colour per name: on top of each other where they add up to a whole, as bars or areas, else as
// lines. All begin at zero. The same figures stand in a table, for who cannot see the chart and for who would rather read.
// Dragged over, it zooms into those days; a name that is pointed at stands alone.
import { ActionIcon, Menu } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { type MouseEvent, useRef, useState } from 'react'
import {
  Area,
  Bar,
  CartesianGrid,
  ComposedChart,
  Line as Curve,
  ReferenceArea,
  ReferenceLine,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts'
import { csvOf, download } from '../csv'
import { percent } from '../money'
import { topOf } from '../ticks'
import { savePicture, saveVectors } from './chartfiles'

/** `names`: what a click on it narrows down to; null where it is no single group. */
export type Line = {
  id: string
  name: string
  colour: string
  names: (string | null)[] | null
  values: (bigint | null)[]
}

export type Drawn = 'bars' | 'area' | 'lines'

type Asked = {
  caption: string
  buckets: readonly string[]
  bucketText: (bucket: string) => string
  lines: readonly Line[]
  shown: (amount: bigint | null) => string
  axis: (amount: bigint) => string
  whole: boolean
  stacked: boolean
  drawn?: Drawn
  excludes?: boolean
  pick: (names: (string | null)[], not: boolean) => void
  /** What all of it was in the other period, bucket by bucket: bars of paper behind these. */
  before?: { name: string; values: readonly (bigint | null)[] } | undefined
  /** A budget: an ink line at what a bucket may come to. */
  limit?: { name: string; amount: bigint } | undefined
  /** What was done in a bucket that its figures may come from. */
  marks?: ReadonlyMap<string, readonly string[]> | undefined
  /** Where the days begin that are still to come. */
  ahead?: string | undefined
  zoom?: (from: string, to: string) => void
}
type Row = { bucket: string; place: number }
const MARKS_TOLD = 4

export default function Course(asked: Asked) {
  const {
    caption,
    buckets,
    bucketText,
    lines,
    shown,
    axis,
    whole,
    stacked,
    before,
    limit,
    ahead,
    marks,
    pick,
  } = asked
  const drawn = stacked ? (asked.drawn ?? 'bars') : 'lines'
  const excludes = asked.excludes ?? true
  const [alone, setAlone] = useState<string | null>(null)
  const chart = useRef<HTMLDivElement>(null)
  const drag = useDrag(buckets, asked.zoom)
  const rows: Row[] = buckets.map((bucket, place) => ({ bucket, place }))
  const length = (values: readonly (bigint | null)[]) => (row: Row) => {
    const value = values[row.place] ?? null
    return value === null ? null : Number(value)
  }
  // A point of a line has half its dot beside it; bars keep their distance themselves.
  const edge = drawn === 'bars' ? 0 : 12
  const faded = (line: Line) => (alone === null || alone === line.id ? 1 : 0.12)
  return (
    <>
      <div className="legend">
        {lines.map((line) => (
          <Name key={line.id} line={line} excludes={excludes} pick={pick} alone={setAlone} />
        ))}
        {before && (
          <span className="nowrap">
            <i className="dot ghost" />
            {before.name}
          </span>
        )}
        <Files asked={asked} chart={chart} />
      </div>
      <div className={asked.zoom ? 'chart zooms' : 'chart'} aria-hidden ref={chart}>
        <ResponsiveContainer>
          <ComposedChart
            data={rows}
            margin={{ top: 4, right: 0, bottom: 0, left: 0 }}
            barCategoryGap="18%"
            accessibilityLayer={false}
            {...drag.handlers}
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
            <XAxis xAxisId="ghost" dataKey="bucket" hide padding={{ left: edge, right: edge }} />
            <YAxis
              orientation="right"
              domain={[0, topOf]}
              tickFormatter={(value: number) => axis(BigInt(Math.round(value)))}
              tickCount={4}
              allowDecimals={false}
              tickLine={false}
              axisLine={false}
              width={72}
            />
            <Tooltip
              content={<Tip {...{ lines, shown, bucketText, whole, before, marks }} />}
              cursor={{ fill: 'var(--paper-sunk)', stroke: 'var(--line-strong)' }}
              isAnimationActive={false}
            />
            {ahead && (
              <ReferenceArea
                x1={ahead}
                x2={buckets.at(-1) ?? ahead}
                fill="var(--line)"
                fillOpacity={0.45}
                label={{ value: 'to come', position: 'insideTop', fill: 'var(--ink-quiet)', fontSize: 12 }}
              />
            )}
            {before && (
              <Bar
                xAxisId="ghost"
                name={before.name}
                dataKey={length(before.values)}
                fill="transparent"
                stroke="var(--ink-quiet)"
                strokeDasharray="3 3"
                maxBarSize={36}
                isAnimationActive={false}
              />
            )}
            {lines.map((line) =>
              drawn === 'bars' ? (
                <Bar
                  key={line.id}
                  name={line.name}
                  stackId="whole"
                  dataKey={length(line.values)}
                  fill={line.colour}
                  fillOpacity={faded(line)}
                  stroke="var(--paper)"
                  strokeWidth={0.5}
                  maxBarSize={36}
                  cursor={line.names?.length ? 'pointer' : undefined}
                  onClick={(_, __, event) =>
                    line.names?.length && !drag.dragged() && pick(line.names, excludes && event.altKey)
                  }
                  isAnimationActive={false}
                />
              ) : drawn === 'area' ? (
                <Area
                  key={line.id}
                  name={line.name}
                  stackId="whole"
                  dataKey={length(line.values)}
                  fill={line.colour}
                  fillOpacity={0.75 * faded(line)}
                  stroke={line.colour}
                  strokeOpacity={faded(line)}
                  isAnimationActive={false}
                />
              ) : (
                <Curve
                  key={line.id}
                  name={line.name}
                  dataKey={length(line.values)}
                  stroke={line.colour}
                  strokeWidth={2}
                  strokeOpacity={faded(line)}
                  dot={{ r: 2, fill: line.colour, fillOpacity: faded(line) }}
                  isAnimationActive={false}
                />
              ),
            )}
            {[...(marks?.keys() ?? [])].map((bucket) => (
              <ReferenceLine
                key={bucket}
                x={bucket}
                stroke="var(--ink-quiet)"
                strokeDasharray="1 3"
                label={{ value: '◆', position: 'insideTop', fill: 'var(--ink-soft)', fontSize: 10 }}
              />
            ))}
            {limit && (
              <ReferenceLine
                y={Number(limit.amount)}
                stroke="var(--ink)"
                strokeDasharray="6 4"
                ifOverflow="extendDomain"
                label={{ value: limit.name, position: 'insideBottomLeft', fill: 'var(--ink)', fontSize: 12 }}
              />
            )}
            {drag.from && drag.to && (
              <ReferenceArea x1={drag.from} x2={drag.to} fill="var(--accent)" fillOpacity={0.15} />
            )}
          </ComposedChart>
        </ResponsiveContainer>
      </div>
      <div className="visually-hidden">
        <Courses {...{ caption, buckets, bucketText, lines, shown, before }} />
      </div>
    </>
  )
}

type Pointed = { activeLabel?: string | number | undefined }

/** From where to where somebody drags; let go over another bucket, the chart zooms in. */
function useDrag(buckets: readonly string[], zoom: Asked['zoom']) {
  const [from, setFrom] = useState<string | null>(null)
  const [to, setTo] = useState<string | null>(null)
  const dragged = useRef(false)
  const at = ({ activeLabel }: Pointed) => (activeLabel === undefined ? null : String(activeLabel))
  if (!zoom) return { from: null, to: null, dragged: () => false, handlers: {} }
  return {
    from,
    to,
    dragged: () => dragged.current,
    handlers: {
      onMouseDown: (point: Pointed) => {
        dragged.current = false
        setFrom(at(point))
      },
      onMouseMove: (point: Pointed) => {
        const here = at(point)
        if (from === null || here === null || here === (to ?? from)) return
        dragged.current = true
        setTo(here)
      },
      onMouseUp: () => {
        if (from !== null && to !== null && to !== from) {
          const [first, last] = [buckets.indexOf(from), buckets.indexOf(to)].sort((a, b) => a - b)
          zoom(buckets[first ?? 0] as string, buckets[last ?? 0] as string)
        }
        setFrom(null)
        setTo(null)
      },
      onMouseLeave: () => {
        setFrom(null)
        setTo(null)
      },
    },
  }
}

function Name({
  line,
  excludes,
  pick,
  alone,
}: { line: Line; excludes: boolean; alone: (id: string | null) => void } & Pick<Asked, 'pick'>) {
  const { names } = line
  const told = (
    <>
      <i className="dot" style={{ background: line.colour }} />
      {line.name}
    </>
  )
  const pointed = {
    onMouseEnter: () => alone(line.id),
    onMouseLeave: () => alone(null),
    onFocus: () => alone(line.id),
    onBlur: () => alone(null),
  }
  return names?.length ? (
    <button
      type="button"
      className="pick nowrap"
      title={`Only ${line.name}${excludes ? '; with Alt all but that' : ''}`}
      onClick={(event: MouseEvent) => pick(names, excludes && event.altKey)}
      {...pointed}
    >
      {told}
    </button>
  ) : (
    <span className="nowrap" {...pointed}>
      {told}
    </span>
  )
}

function Files({ asked, chart }: { asked: Asked; chart: { current: HTMLDivElement | null } }) {
  const { caption, buckets, lines, before } = asked
  const name = caption.toLowerCase().replaceAll(/\W+/g, '-')
  const svg = () => chart.current?.querySelector<SVGSVGElement>('svg.recharts-surface')
  const figures = () =>
    csvOf(
      ['time', ...lines.map((line) => line.name), ...(before ? [before.name] : [])],
      buckets.map((bucket, place) => [
        bucket,
        ...lines.map((line) => line.values[place]?.toString() ?? null),
        ...(before ? [before.values[place]?.toString() ?? null] : []),
      ]),
    )
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon
          className="to-the-end"
          variant="subtle"
          color="gray"
          c="var(--ink-quiet)"
          aria-label="The chart as a file"
        >
          <IconDownload size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => svg() && savePicture(svg() as SVGSVGElement, name)}>
          Picture (PNG)
        </Menu.Item>
        <Menu.Item onClick={() => svg() && saveVectors(svg() as SVGSVGElement, name)}>
          Drawing (SVG)
        </Menu.Item>
        <Menu.Item onClick={() => download(`${name}.csv`, figures())}>Its figures (CSV)</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

/** Time downwards, names across. */
export function Courses({
  caption,
  buckets,
  bucketText,
  lines,
  shown,
  before,
}: Pick<Asked, 'caption' | 'buckets' | 'bucketText' | 'lines' | 'shown' | 'before'>) {
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
          {before && (
            <th scope="col" className="number">
              {before.name}
            </th>
          )}
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
            {before && <td className="number quiet">{shown(before.values[place] ?? null)}</td>}
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
  before,
  marks,
}: {
  active?: boolean
  payload?: readonly { payload: Row }[]
} & Pick<Asked, 'lines' | 'shown' | 'bucketText' | 'whole' | 'before' | 'marks'>) {
  const row = payload?.[0]?.payload
  if (!active || !row) return null
  const told = lines.filter((line) => line.values[row.place])
  const said = marks?.get(row.bucket) ?? []
  const all = told.reduce((sum, line) => sum + (line.values[row.place] ?? 0n), 0n)
  return (
    <div className="tip">
      <div className="label">{bucketText(row.bucket)}</div>
      {told.map((line) => (
        <div key={line.id} className="tip-row">
          <span>
            <i className="dot" style={{ background: line.colour }} />
            {line.name}
          </span>
          <span>
            {shown(line.values[row.place] ?? null)}
            {whole && <span className="quiet"> {percent(line.values[row.place] ?? 0n, all)}</span>}
          </span>
        </div>
      ))}
      {whole && (
        <div className="tip-row sum">
          <span>Together</span>
          <span>{shown(all)}</span>
        </div>
      )}
      {before && (
        <div className="tip-row quiet">
          <span>{before.name}</span>
          <span>{shown(before.values[row.place] ?? null)}</span>
        </div>
      )}
      {said.slice(0, MARKS_TOLD).map((one) => (
        <div key={one} className="tip-mark">
          ◆ {one}
        </div>
      ))}
      {said.length > MARKS_TOLD && (
        <div className="label">and {said.length - MARKS_TOLD} more in the audit</div>
      )}
    </div>
  )
}
