// Which columns of a table are shown, and how wide: what differs from the table's own choice stands in the address, as
// `columns=-provider,+prompt,model:240` (left out, added, 240 pixels wide).

export type Layout = {
  off: ReadonlySet<string>
  on: ReadonlySet<string>
  widths: ReadonlyMap<string, number>
}

export const WIDTH_MIN = 48
export const WIDTH_MAX = 900
const CHANGES_MAX = 40
const CHANGE = /^(?:[+-][\w.]{1,80}|[\w.]{1,80}:\d{2,3})$/

/** What every screen's address may say: its table's columns, and the saved view that it was opened with. */
export type ColumnsSearch = { columns?: string; saved?: string }

export function columnsOf(search: Record<string, unknown>): ColumnsSearch {
  const said = typeof search.columns === 'string' ? search.columns.split(',') : []
  const kept = said.filter((one) => CHANGE.test(one)).slice(0, CHANGES_MAX)
  return {
    ...(kept.length ? { columns: kept.join(',') } : {}),
    ...(typeof search.saved === 'string' && /^\w{1,64}$/.test(search.saved) ? { saved: search.saved } : {}),
  }
}

export function layoutOf({ columns }: ColumnsSearch): Layout {
  const off = new Set<string>()
  const on = new Set<string>()
  const widths = new Map<string, number>()
  for (const one of columns?.split(',') ?? []) {
    if (one.startsWith('-')) off.add(one.slice(1))
    else if (one.startsWith('+')) on.add(one.slice(1))
    else {
      const [id = '', width = ''] = one.split(':')
      if (Number(width)) widths.set(id, bounded(Number(width)))
    }
  }
  return { off, on, widths }
}

export function textOf({ off, on, widths }: Layout): string | undefined {
  const said = [
    ...[...off].map((id) => `-${id}`),
    ...[...on].map((id) => `+${id}`),
    ...[...widths].map(([id, width]) => `${id}:${width}`),
  ]
  return said.length ? said.slice(0, CHANGES_MAX).join(',') : undefined
}

export function isShown(column: { id: string; hidden?: boolean }, { off, on }: Layout): boolean {
  return column.hidden ? on.has(column.id) : !off.has(column.id)
}

/** The same with a column shown or not. */
export function toggled(layout: Layout, column: { id: string; hidden?: boolean }, show: boolean): Layout {
  const off = new Set(layout.off)
  const on = new Set(layout.on)
  off.delete(column.id)
  on.delete(column.id)
  if (column.hidden && show) on.add(column.id)
  if (!column.hidden && !show) off.add(column.id)
  return { ...layout, off, on }
}

export function widened(layout: Layout, id: string, width: number): Layout {
  return { ...layout, widths: new Map(layout.widths).set(id, bounded(width)) }
}

const bounded = (width: number) => Math.round(Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width)))
