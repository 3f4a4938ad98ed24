// The first account of an installation, by the link that its start printed. Whoever makes it is signed in, and led to a first call.
import { PasswordInput, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { postAuthSession } from '../api/sdk.gen'
import { Alone, AloneForm } from '../parts/Alone'
import { Problem } from '../problem'
import { enter, PASSWORD_CHARS_MIN } from '../session'

export default function Setup() {
  const { code } = useSearch({ from: '/setup' })
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)

  const submit = async (form: HTMLFormElement) => {
    const fields = new FormData(form)
    const email = String(fields.get('email')).trim()
    const password = String(fields.get('password'))
    setBusy(true)
    setSaid('')
    try {
      const answer = await fetch('/api/setup', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ code: code ?? '', email, password }),
      })
      if (!answer.ok) throw Problem.of(await answer.json().catch(() => null), answer)
      const session = (await postAuthSession({ body: { email, password }, throwOnError: true })).data
      enter(queries, session)
      await navigate({ to: '/o/$slug/welcome', params: { slug: session.organization }, replace: true })
    } catch (problem) {
      setSaid(problem instanceof Problem ? problem.message : 'The gateway does not answer.')
      setBusy(false)
    }
  }

  return (
    <Alone
      name="Setup"
      title="Make the first account"
      about="It will own this installation. There is no default password anywhere."
      foot={
        <>
          Already have one? <Link to="/login">Sign in</Link>
        </>
      }
    >
      <AloneForm verb="Make the account" {...{ busy, said, submit }}>
        <TextInput label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
        <PasswordInput
          label="Password"
          description={`At least ${PASSWORD_CHARS_MIN} characters.`}
          name="password"
          autoComplete="new-password"
          minLength={PASSWORD_CHARS_MIN}
          required
        />
      </AloneForm>
    </Alone>
  )
}
