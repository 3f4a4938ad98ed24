// A screen's head: its name, and under it the question that it answers.
import { type ReactNode, useEffect } from 'react'

export function Page({
  title,
  question,
  actions,
  children,
}: {
  title: string
  question: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  useEffect(() => {
    document.title = `${title} · Tallystick`
  }, [title])
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          <p>{question}</p>
        </div>
        {actions && <div className="actions">{actions}</div>}
      </header>
      {children}
    </>
  )
}

/** Which one it is, where a screen shows one of many: what stands out of its head. */
export function Subject({ children }: { children: ReactNode }) {
  return <strong className="subject">{children}</strong>
}

export function Section({ title, end, children }: { title: string; end?: ReactNode; children: ReactNode }) {
  return (
    <section className="section">
      <div className="section-head">
        <h2>{title}</h2>
        {end && <div className="end label">{end}</div>}
      </div>
      {children}
    </section>
  )
}
