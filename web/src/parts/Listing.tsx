// A screen's list, from the field that narrows it down to the way to more of it: still coming, failed, none yet, none like
// that, or a table.
import { Button, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import type { ComponentProps, ReactNode } from 'react'
import { Book, type Column } from './Book'
import { ColumnChoice } from './columns'
import type { List } from './list'
import { Coming, Fault, NoMatch } from './states'

type Asked<Row extends object> = Omit<ComponentProps<typeof Book<Row>>, 'caption'> & {
  /** "Keys": the table's name; in small letters it is what the words of the states say. */
  title: string
  columns: readonly Column<Row>[]
  list: Pick<List<Row>, 'items' | 'error' | 'isPending' | 'retry' | 'more'>
  /** Those of the list that pass the filters, where a page filters by itself. */
  rows: readonly Row[]
  /** What is typed to narrow it down, of what, and where it goes. */
  search?: { text: string | undefined; of: string; set: (text: string | undefined) => void }
  /** More that narrows it down, beside the field. */
  filters?: ReactNode
  /** The server was asked with a filter: none at all and none like that are told apart. */
  narrowed?: boolean
  clear: () => void
  /** What stands there while there is none at all. */
  empty: ReactNode
  none?: ReactNode
  older?: string
}

export function Listing<Row extends object>({
  title,
  list,
  search,
  filters,
  narrowed = false,
  clear,
  empty,
  none,
  older,
  ...book
}: Asked<Row>) {
  const small = title.toLowerCase()
  // Where the server filters, nothing came; where the page does, something did.
  const nothing = list.items.length === 0 && !narrowed
  const body = () => {
    if (list.error) return <Fault problem={list.error} retry={list.retry} />
    if (list.isPending) return <Coming rows={8} />
    if (nothing) return empty
    if (!book.rows.length) return <NoMatch what={small} clear={clear} note={none} />
    return <Book adjustable {...book} caption={title} />
  }
  return (
    <>
      {!(nothing && !list.error && !list.isPending && !filters) && (
        <div className="chips">
          {search && (
            <TextInput
              data-filter
              size="xs"
              aria-label={`Filter ${small}`}
              placeholder={`Filter by ${search.of}`}
              leftSection={<IconSearch size={16} />}
              w={300}
              maw="100%"
              value={search.text ?? ''}
              onChange={(event) => search.set(event.currentTarget.value || undefined)}
            />
          )}
          {filters}
          <ColumnChoice columns={book.columns} />
        </div>
      )}
      {body()}
      {list.more && (
        <Button variant="default" mt="md" loading={list.more.busy} onClick={list.more.go}>
          {older ?? `More ${small}`}
        </Button>
      )}
    </>
  )
}
