// What a page shows when it has nothing to show: it is still coming, there is none yet, it failed, it is not yours.
import { Button, Skeleton } from '@mantine/core'
import type { ReactNode } from 'react'
import { Problem } from '../problem'

export function Coming({ rows = 6 }: { rows?: number }) {
  return (
    <output aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of a skeleton have no names
        <Skeleton key={row} height={18} my={17} radius="xs" width={`${96 - ((row * 17) % 40)}%`} />
      ))}
    </output>
  )
}

/** Nothing yet, and what to do about it. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string
  children: ReactNode
  action?: ReactNode
}) {
  return (
    <div className="state">
      <h2>{title}</h2>
      <div className="soft">{children}</div>
      {action && <div className="do">{action}</div>}
    </div>
  )
}

/** There are some, but none like that. */
export function NoMatch({ what, clear, note }: { what: string; clear: () => void; note?: ReactNode }) {
  return (
    <Empty
      title={`No ${what} match`}
      action={
        <Button variant="default" onClick={clear}>
          Clear the filters
        </Button>
      }
    >
      {note ?? `There are ${what} here, but none that pass these filters.`}
    </Empty>
  )
}

const TITLES: Record<number, string> = { 403: 'This is not yours to do', 404: 'There is no such thing here' }

export function Fault({ problem, retry }: { problem: unknown; retry?: () => void }) {
  const known = problem instanceof Problem ? problem : null
  // Where somebody else than one's role stands in the way (one's own request, another team), the API says who.
  if (known?.status === 403 && known.code === 'forbidden') {
    return (
      <Empty title="This is not open to your role">
        An owner or an admin of this organisation can change your role, or show you what you are looking for.
      </Empty>
    )
  }
  return (
    <div className="state" role="alert">
      <h2>{TITLES[known?.status ?? 0] ?? 'This could not be loaded'}</h2>
      <p className="soft">
        {known?.message ?? 'The console made a mistake; reloading the page helps most often.'}
      </p>
      {known && (
        <p className="label">
          {known.code}
          {known.requestId && <> · request {known.requestId}</>}
        </p>
      )}
      {retry && known?.status !== 404 && (
        <div className="do">
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        </div>
      )}
    </div>
  )
}
