// A table: sorted by its headings, ruled like an account book, and a file of exactly what it shows.
import { Button } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconDownload } from '@tabler/icons-react'
import {
  createSortedRowModel,
  rowSortingFeature,
  type SortingState,
  tableFeatures,
  useTable,
} from '@tanstack/react-table'
import { type ReactNode, useMemo } from 'react'
import { csvOf, download } from '../csv'

/** `value`: what a cell is sorted by and written as; `shown`: how it looks, where that is more than its text. */
export type Column<Row> = {
  id: string
  title: string
  value: (row: Row) => string | number | bigint | null
  shown?: (row: Row) => ReactNode
  number?: boolean
  wide?: boolean
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
  total?: ReactNode
  ended?: (row: Row) => boolean
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() })

export function Book<Row extends object>({
  caption,
  columns,
  rows,
  id,
  sort,
  onSort,
  total,
  ended,
}: Asked<Row>) {
  const sorting: SortingState = sort ? [{ id: sort.replace(/^-/, ''), desc: sort.startsWith('-') }] : []
  const defined = useMemo(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: (row: Row) => column.value(row) ?? undefined,
        sortDescFirst: column.number ?? false,
        enableSorting: !column.unsorted,
        sortUndefined: 'last' as const,
        sortFn: (a: { original: Row }, b: { original: Row }) =>
          compared(column.value(a.original), column.value(b.original)),
      })),
    [columns],
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
  return (
    <div className="table-scroll">
      <table className="book">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const way =
                sorting[0]?.id === column.id ? (sorting[0].desc ? 'descending' : 'ascending') : undefined
              return (
                <th key={column.id} scope="col" aria-sort={way} className={classes(column)}>
                  {column.unsorted || !onSort ? (
                    <span className={column.unnamed ? 'visually-hidden' : undefined}>{column.title}</span>
                  ) : (
                    <button type="button" onClick={() => table.getColumn(column.id)?.toggleSorting()}>
                      {column.title}
                      {way === 'ascending' && <IconArrowUp size={12} aria-hidden />}
                      {way === 'descending' && <IconArrowDown size={12} aria-hidden />}
                    </button>
                  )}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} className={ended?.(row.original as Row) ? 'ended' : undefined}>
              {columns.map((column) => (
                <td key={column.id} className={classes(column)}>
                  {column.shown
                    ? column.shown(row.original as Row)
                    : (column.value(row.original as Row) ?? <span className="quiet">–</span>)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {total && <tfoot>{total}</tfoot>}
      </table>
    </div>
  )
}

export function AsCsv<Row>({
  name,
  columns,
  rows,
}: {
  name: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
}) {
  const written = columns.filter((column) => !column.unnamed)
  const text = () =>
    csvOf(
      written.map((column) => column.id),
      rows.map((row) => written.map((column) => asCell(column.value(row)))),
    )
  return (
    <Button
      variant="default"
      leftSection={<IconDownload size={16} />}
      onClick={() => download(`${name}.csv`, text())}
      disabled={!rows.length}
    >
      CSV
    </Button>
  )
}

const asCell = (value: string | number | bigint | null) =>
  typeof value === 'bigint' ? value.toString() : value

function classes(column: { number?: boolean; wide?: boolean }): string | undefined {
  return [column.number && 'number', column.wide && 'wide-only'].filter(Boolean).join(' ') || undefined
}

type Value = string | number | bigint | null

function compared(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return a.localeCompare(b)
  return a === b ? 0 : (a ?? 0) < (b ?? 0) ? -1 : 1
}
