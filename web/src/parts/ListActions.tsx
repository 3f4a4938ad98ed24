// Above a list of the settings: the file of all that passes its filters, and the way to one more.
import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { AsCsv, type Column } from './Book'
import type { List } from './list'

type Asked<Row extends object> = {
  /** The file's, without its ending. */
  name: string
  columns: readonly Column<Row>[]
  list: Pick<List<Row>, 'items' | 'all'>
  passes: (row: Row) => boolean
  add: () => void
  /** What the button says; none where one may not. */
  children: ReactNode
}

export function ListActions<Row extends object>({ name, columns, list, passes, add, children }: Asked<Row>) {
  return (
    <>
      <AsCsv
        name={name}
        columns={columns}
        rows={async () => (await list.all()).filter(passes)}
        none={!list.items.some(passes)}
      />
      {children && (
        <Button leftSection={<IconPlus size={16} />} onClick={add}>
          {children}
        </Button>
      )}
    </>
  )
}
