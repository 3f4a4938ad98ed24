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

/** What went wrong, in the API's own words. Without `retry` it stands at a form, and says what was not accepted. */
export function Fault({ problem, retry }: { problem: unknown; retry?: () => void }) {
  const known = problem instanceof Problem ? problem : null
  return (
    <div className={retry ? 'state' : 'said'} role="alert">
      <h2>{titleOf(known, Boolean(retry))}</h2>
      <p className="soft">
        {known?.message ?? 'The console made a mistake; reloading the page helps most often.'}
        {/* Where somebody else than one's role stands in the way (one's own request, another team), the API says who. */}
        {known?.status === 403 &&
          known.code === 'forbidden' &&
          ' An owner or an admin of this organisation can change what your role may do.'}
      </p>
      {known && (
        <p className="label">
          {known.code}
          {known.requestId && <> · request {known.requestId}</>}
        </p>
      )}
      {retry && known?.status !== 404 && known?.status !== 403 && (
        <div className="do">
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        </div>
      )}
    </div>
  )
}

function titleOf(problem: Problem | null, loading: boolean): string {
  if (problem?.status === 403)
    return problem.code === 'forbidden' ? 'This is not open to your role' : 'This is not yours to do'
  if (problem?.status === 404) return 'There is no such thing here'
  if (loading) return 'This could not be loaded'
  return problem && problem.status >= 400 && problem.status < 500
    ? 'This was not accepted'
    : 'This did not work'
}
