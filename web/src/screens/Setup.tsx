// The first account of an installation, by the link that its start printed.
import { Button, PasswordInput, TextInput } from '@mantine/core'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { Problem } from '../problem'

const PASSWORD_CHARS_MIN = 8

export default function Setup() {
  const { code } = useSearch({ from: '/setup' })
  const navigate = useNavigate()
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)

  useEffect(() => {
    document.title = 'Setup · Tallystick'
  }, [])

  const submit = async (form: HTMLFormElement) => {
    const fields = new FormData(form)
    const email = String(fields.get('email')).trim()
    setBusy(true)
    setSaid('')
    try {
      const answer = await fetch('/api/setup', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ code: code ?? '', email, password: String(fields.get('password')) }),
      })
      if (!answer.ok) throw Problem.of(await answer.json().catch(() => null), answer)
      navigate({ to: '/login', search: { email }, replace: true })
    } catch (problem) {
      setSaid(problem instanceof Problem ? problem.message : 'The gateway does not answer.')
    } finally {
      setBusy(false)
    }
  }

  return (
    <main className="alone">
      <div>
        <img src="/mark.svg" width={40} height={40} alt="" />
        <h1>Make the first account</h1>
        <p className="soft">It will own this installation. There is no default password anywhere.</p>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            submit(event.currentTarget)
          }}
        >
          <TextInput label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
          <PasswordInput
            label="Password"
            description={`At least ${PASSWORD_CHARS_MIN} characters.`}
            name="password"
            autoComplete="new-password"
            minLength={PASSWORD_CHARS_MIN}
            required
          />
          {said && (
            <div className="said" role="alert">
              {said}
            </div>
          )}
          <Button type="submit" loading={busy} fullWidth>
            Make the account
          </Button>
        </form>
        <p className="label" style={{ marginTop: 20 }}>
          Already have one? <Link to="/login">Sign in</Link>
        </p>
      </div>
    </main>
  )
}
