// A table, ruled like an account book: sorted by its headings, its columns shown and as wide as somebody wants them, rows
// that can be chosen and have a menu, a row of totals, and a file of exactly what it shows.
import { Button, Menu } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconDots, IconDownload } from '@tabler/icons-react'
import {
  createSortedRowModel,
  rowSortingFeature,
  type SortingState,
  tableFeatures,
  useTable,
} from '@tanstack/react-table'
import {
  type CSSProperties,
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useMemo,
  useState,
} from 'react'
import { csvOf, download } from '../csv'
import { useLayout } from './columns'
import { isShown, type Layout, layoutOf, widened } from './layout'
import { Chosen, SelectAll, SelectOne, useSelection } from './selection'

/** `value`: what a cell is sorted by and written as; `shown`: how it looks, where that is more than its text. `hidden`: only
 * where somebody asks for it; `written`: in files all the same. `total`: what stands under it, where rows come to something together. */
export type Column<Row> = {
  id: string
  title: string
  value: (row: Row) => string | number | bigint | null
  shown?: (row: Row) => ReactNode
  total?: ReactNode
  number?: boolean
  wide?: boolean
  hidden?: boolean
  written?: boolean
  unsorted?: boolean
  unnamed?: boolean
}

type Asked<Row> = {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  id: (row: Row) => string
  /** A column's id, with a minus for downwards; it stands in the page's address. */
  sort?: string | undefined
  onSort?: (sort: string | undefined) => void
  ended?: (row: Row) => boolean
  /** The page's main table: which columns, and how wide, stands in its address (`ColumnChoice` chooses them). */
  adjustable?: boolean
  /** What a row is called, where it can be chosen or has a menu; without it, its first column's text. */
  named?: (row: Row) => string
  /** The items of a row's menu; nothing where there are none. */
  menu?: (row: Row) => ReactNode
  /** What can be done with rows that are chosen; `clear` when it is done. */
  bulk?: (rows: Row[], clear: () => void) => ReactNode
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() })
const PLAIN = layoutOf({})
const STEP_PX = 16

export function Book<Row extends object>(asked: Asked<Row>) {
  const { caption, rows, id, sort, onSort, ended, menu, bulk } = asked
  const [chosen, setLayout] = useLayout()
  const layout = asked.adjustable ? chosen : PLAIN
  const columns = asked.columns.filter((column) => isShown(column, layout))
  const named = (row: Row) =>
    asked.named ? asked.named(row) : String(asked.columns[0]?.value(row) ?? id(row))
  const sorting: SortingState = sort ? [{ id: sort.replace(/^-/, ''), desc: sort.startsWith('-') }] : []
  const defined = useMemo(
    () =>
      asked.columns.map((column) => ({
        id: column.id,
        accessorFn: (row: Row) => column.value(row) ?? undefined,
        sortDescFirst: column.number ?? false,
        enableSorting: !column.unsorted,
        sortUndefined: 'last' as const,
        sortFn: (a: { original: Row }, b: { original: Row }) =>
          compared(column.value(a.original), column.value(b.original)),
      })),
    [asked.columns],
  )
  const table = useTable({
    features,
    columns: defined as never,
    data: rows as Row[],
    getRowId: id as never,
    state: { sorting },
    onSortingChange: ((change: SortingState | ((before: SortingState) => SortingState)) => {
      const [first] = typeof change === 'function' ? change(sorting) : change
      onSort?.(first && `${first.desc ? '-' : ''}${first.id}`)
    }) as never,
  })
  const told = table.getRowModel().rows.map((row) => ({ id: row.id, row: row.original as Row }))
  const selection = useSelection(told.map((one) => one.id))
  return (
    <>
      <div className="table-scroll">
        <table className="book">
          <caption className="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {bulk && (
                <th scope="col" className="box">
                  <SelectAll selection={selection} of={told.length} />
                </th>
              )}
              {columns.map((column) => (
                <Heading
                  key={column.id}
                  column={column}
                  way={
                    sorting[0]?.id === column.id ? (sorting[0].desc ? 'descending' : 'ascending') : undefined
                  }
                  sort={onSort && (() => table.getColumn(column.id)?.toggleSorting())}
                  layout={layout}
                  set={asked.adjustable ? setLayout : undefined}
                />
              ))}
              {menu && (
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {told.map(({ id: own, row }) => (
              <tr
                key={own}
                data-row={own}
                tabIndex={-1}
                data-chosen={(bulk && selection.has(own)) || undefined}
                className={ended?.(row) ? 'ended' : undefined}
              >
                {bulk && (
                  <td className="box">
                    <SelectOne selection={selection} id={own} name={named(row)} />
                  </td>
                )}
                {columns.map((column) => (
                  <td key={column.id} className={classes(column)} style={widthOf(column.id, layout)}>
                    {column.shown
                      ? column.shown(row)
                      : (column.value(row) ?? <span className="quiet">–</span>)}
                  </td>
                ))}
                {menu && (
                  <td className="number">
                    <RowMenu name={named(row)}>{menu(row)}</RowMenu>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
          {columns.some((column) => column.total !== undefined) && (
            <tfoot>
              <tr>
                {bulk && <td className="box" />}
                {columns.map((column) => (
                  <td key={column.id} className={classes(column)}>
                    {column.total}
                  </td>
                ))}
                {menu && <td />}
              </tr>
            </tfoot>
          )}
        </table>
      </div>
      {bulk && (
        <Chosen selection={selection}>
          {bulk(
            told.filter((one) => selection.has(one.id)).map((one) => one.row),
            selection.clear,
          )}
        </Chosen>
      )}
    </>
  )
}

/** A heading sorts by its column; its right edge makes it wider, and so do Alt and the arrows on it. */
function Heading<Row>({
  column,
  way,
  sort,
  layout,
  set,
}: {
  column: Column<Row>
  way: 'ascending' | 'descending' | undefined
  sort: (() => void) | undefined
  layout: Layout
  set: ((layout: Layout) => void) | undefined
}) {
  const [drawn, setDrawn] = useState<number | null>(null)
  const drag = (event: PointerEvent<HTMLElement>) => {
    const heading = event.currentTarget.parentElement as HTMLElement
    const from = heading.offsetWidth - event.clientX
    const edge = event.currentTarget
    let width = heading.offsetWidth
    event.preventDefault()
    edge.setPointerCapture(event.pointerId)
    edge.onpointermove = (moved) => {
      width = from + moved.clientX
      setDrawn(width)
    }
    edge.onpointerup = () => {
      edge.onpointermove = null
      edge.onpointerup = null
      setDrawn(null)
      set?.(widened(layout, column.id, width))
    }
  }
  const keyed = (event: KeyboardEvent<HTMLElement>) => {
    const by = event.key === 'ArrowRight' ? STEP_PX : event.key === 'ArrowLeft' ? -STEP_PX : 0
    if (!set || !by || !event.altKey) return
    event.preventDefault()
    set(widened(layout, column.id, event.currentTarget.offsetWidth + by))
  }
  return (
    <th
      scope="col"
      aria-sort={way}
      className={classes(column)}
      style={drawn === null ? widthOf(column.id, layout) : { width: drawn, minWidth: drawn, maxWidth: drawn }}
      onKeyDown={keyed}
    >
      {column.unsorted || !sort ? (
        <span className={column.unnamed ? 'visually-hidden' : undefined}>{column.title}</span>
      ) : (
        <button type="button" onClick={sort}>
          {column.title}
          {way === 'ascending' && <IconArrowUp size={12} aria-hidden />}
          {way === 'descending' && <IconArrowDown size={12} aria-hidden />}
        </button>
      )}
      {set && <span className="edge" aria-hidden onPointerDown={drag} />}
    </th>
  )
}

function RowMenu({ name, children }: { name: string; children: ReactNode }) {
  if (!children) return null
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="var(--ink-quiet)"
          size="compact-sm"
          aria-label={`Actions for ${name}`}
        >
          <IconDots size={16} />
        </Button>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  )
}

/** `rows` may be asked for only when the file is wanted: all of them, not those alone that are loaded. */
export function AsCsv<Row>({
  name,
  columns,
  rows,
  none,
  small,
}: {
  name: string
  columns: readonly Column<Row>[]
  rows: readonly Row[] | (() => Promise<readonly Row[]>)
  none?: boolean
  small?: boolean
}) {
  const [layout] = useLayout()
  const [busy, setBusy] = useState(false)
  const written = columns.filter((column) => !column.unnamed && (column.written || isShown(column, layout)))
  const write = async () => {
    setBusy(true)
    try {
      const all = typeof rows === 'function' ? await rows() : rows
      download(
        `${name}.csv`,
        csvOf(
          written.map((column) => column.id),
          all.map((row) => written.map((column) => asCell(column.value(row)))),
        ),
      )
    } finally {
      setBusy(false)
    }
  }
  return (
    <Button
      variant="default"
      leftSection={<IconDownload size={16} />}
      onClick={write}
      loading={busy}
      size={small ? 'xs' : 'sm'}
      disabled={none ?? (typeof rows !== 'function' && !rows.length)}
    >
      CSV
    </Button>
  )
}

const asCell = (value: string | number | bigint | null) =>
  typeof value === 'bigint' ? value.toString() : value

function widthOf(id: string, { widths }: Layout): CSSProperties | undefined {
  const width = widths.get(id)
  return width === undefined ? undefined : { width, minWidth: width, maxWidth: width }
}

function classes(column: { number?: boolean; wide?: boolean }): string | undefined {
  return [column.number && 'number', column.wide && 'wide-only'].filter(Boolean).join(' ') || undefined
}

type Value = string | number | bigint | null

function compared(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return a.localeCompare(b)
  return a === b ? 0 : (a ?? 0) < (b ?? 0) ? -1 : 1
}
