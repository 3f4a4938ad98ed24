// How calls went, in a cell: how long they took, and how many of them failed.
import { grouped } from '../money'

export function msText(us: number | null): string | null {
  return us === null ? null : `${grouped(Math.round(us / 1000))} ms`
}

export function Rate({ of }: { of: { errors: number; error_rate: number | null } }) {
  if (of.error_rate === null) return <span className="quiet">–</span>
  const text = `${(100 * of.error_rate).toFixed(1)} %`
  return of.errors ? (
    <span
      title={`${grouped(of.errors)} of them failed`}
      className={of.error_rate >= 0.05 ? 'tag amber' : undefined}
    >
      {text}
    </span>
  ) : (
    <span className="quiet">none</span>
  )
}
