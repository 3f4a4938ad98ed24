// How one value is told: large, with its name above and what qualifies it below; or small, in a list of facts.
import type { ReactNode } from 'react'

export function Figure({ label, note, children }: { label: string; note: ReactNode; children: ReactNode }) {
  return (
    <div>
      <div className="label">{label}</div>
      <div className="value">{children}</div>
      <div className="note">{note}</div>
    </div>
  )
}

/** A fact that is not known has no line. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return children === null || children === '' || children === undefined || children === false ? null : (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}
