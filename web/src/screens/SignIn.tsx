// Signing in: an address and a password, then the second factor where the account has one.
import { PasswordInput, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { postAuthSession } from '../api/sdk.gen'
import { Alone, AloneForm } from '../parts/Alone'
import { CODE } from '../parts/factor'
import { Problem } from '../problem'
import { enter } from '../session'

export default function SignIn() {
  const { next, email } = useSearch({ from: '/login' })
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)
  const [second, setSecond] = useState(false)
  const code = useRef<HTMLInputElement>(null)

  useEffect(() => {
    if (second) code.current?.focus()
  }, [second])

  const submit = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name) ?? '')
    setBusy(true)
    setSaid('')
    try {
      // Who follows a link to an organisation's page is signed in to that one.
      const wanted = /^\/o\/([^/?]+)/.exec(next ?? '')?.[1]
      const asked = {
        email: text('email').trim(),
        password: text('password'),
        ...(second ? { code: text('code').trim() } : {}),
      }
      const session = await opened(asked, wanted ? decodeURIComponent(wanted) : undefined)
      enter(queries, session)
      if (next) navigate({ href: next, replace: true })
      else navigate({ to: '/o/$slug/overview', params: { slug: session.organization }, replace: true })
    } catch (problem) {
      const known = problem as Problem
      if (known.code === 'totp_required' && !second) setSecond(true)
      else setSaid(known.message)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Alone
      name="Sign in"
      title="Sign in to Tallystick"
      about="Where the money of your models goes."
      foot={
        <Link to="/forgot" search={email ? { email } : {}}>
          Forgot your password?
        </Link>
      }
    >
      <AloneForm verb="Sign in" {...{ busy, said, submit }}>
        <TextInput
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          defaultValue={email}
          required
          autoFocus={!email}
          readOnly={second}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          autoFocus={Boolean(email)}
          readOnly={second}
        />
        {second && (
          <TextInput
            ref={code}
            label="Code"
            description={CODE}
            name="code"
            autoComplete="one-time-code"
            inputMode="text"
            required
          />
        )}
      </AloneForm>
    </Alone>
  )
}

/** The session, in the wanted organisation if the account belongs to it, else in its first. */
async function opened(asked: { email: string; password: string; code?: string }, organization?: string) {
  try {
    return (
      await postAuthSession({
        body: { ...asked, ...(organization ? { organization } : {}) },
        throwOnError: true,
      })
    ).data
  } catch (problem) {
    if (!organization || !(problem instanceof Problem) || problem.code !== 'not_a_member') throw problem
    return (await postAuthSession({ body: asked, throwOnError: true })).data
  }
}
