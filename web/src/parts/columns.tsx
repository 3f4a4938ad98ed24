// The columns of a page's table: which of them are shown, chosen from a list and kept in the address.
import { Button, Checkbox, Popover, Stack } from '@mantine/core'
import { IconColumns3 } from '@tabler/icons-react'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { type ColumnsSearch, isShown, type Layout, layoutOf, textOf, toggled } from './layout'

type Named = { id: string; title: string; hidden?: boolean; unnamed?: boolean }

export function useLayout(): [Layout, (layout: Layout) => void] {
  const { columns } = useSearch({ strict: false }) as ColumnsSearch
  const navigate = useNavigate()
  const set = useCallback(
    (layout: Layout) =>
      navigate({
        to: '.',
        search: (({ columns: _, ...before }: Record<string, unknown>) => {
          const text = textOf(layout)
          return text ? { ...before, columns: text } : before
        }) as never,
        replace: true,
      }),
    [navigate],
  )
  return [useMemo(() => layoutOf(columns === undefined ? {} : { columns }), [columns]), set]
}

/** Stands beside the filters of a table. The first column names the row, and stays. */
export function ColumnChoice({ columns }: { columns: readonly Named[] }) {
  const [layout, set] = useLayout()
  const changed = textOf(layout) !== undefined
  return (
    <Popover position="bottom-end" trapFocus>
      <Popover.Target>
        <Button
          className="to-the-end"
          size="xs"
          variant="subtle"
          color="gray"
          c="var(--ink-soft)"
          leftSection={<IconColumns3 size={14} />}
        >
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap={6} mah="60vh" style={{ overflowY: 'auto' }}>
          {columns
            .slice(1)
            .map(
              (column) =>
                !column.unnamed && (
                  <Checkbox
                    key={column.id}
                    size="xs"
                    label={column.title}
                    checked={isShown(column, layout)}
                    onChange={(event) => set(toggled(layout, column, event.currentTarget.checked))}
                  />
                ),
            )}
          <Button size="xs" mt={4} variant="default" disabled={!changed} onClick={() => set(layoutOf({}))}>
            As they were
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  )
}
