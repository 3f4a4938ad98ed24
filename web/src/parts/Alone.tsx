// A page that stands alone, before there is a session: the mark, what it is about, and one form.
import { Button } from '@mantine/core'
import { type ReactNode, useEffect } from 'react'

export function Alone({
  name,
  title,
  about,
  children,
  foot,
}: {
  name: string
  title: ReactNode
  about?: ReactNode
  children?: ReactNode
  foot?: ReactNode
}) {
  useEffect(() => {
    document.title = `${name} · Tallystick`
  }, [name])
  return (
    <main className="alone">
      <div>
        <img src="/mark.svg" width={40} height={40} alt="" />
        <h1>{title}</h1>
        {about && <div className="soft">{about}</div>}
        {children}
        {foot && <div className="label foot">{foot}</div>}
      </div>
    </main>
  )
}

/** Its one form: `said` is what stands against what was sent. */
export function AloneForm({
  verb,
  busy,
  said,
  submit,
  children,
}: {
  verb: ReactNode
  busy: boolean
  said: string
  submit: (form: HTMLFormElement) => void
  children: ReactNode
}) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        submit(event.currentTarget)
      }}
    >
      {children}
      <Said>{said}</Said>
      <Button type="submit" loading={busy} fullWidth>
        {verb}
      </Button>
    </form>
  )
}

/** What the server said against it. */
export function Said({ children }: { children: ReactNode }) {
  return children ? (
    <div className="said" role="alert">
      {children}
    </div>
  ) : null
}
