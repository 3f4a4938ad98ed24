// Setting another password by the link that was mailed. It signs nobody in: that still takes the password and, where there is
// one, the second factor.
import { PasswordInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { postAuthReset } from '../api/sdk.gen'
import type { WasReset } from '../api/types.gen'
import { Alone, AloneForm } from '../parts/Alone'
import { Problem } from '../problem'
import { forget, PASSWORD_CHARS_MIN } from '../session'

export default function Reset() {
  const { token } = useParams({ from: '/reset/$token' })
  const queries = useQueryClient()
  const [done, setDone] = useState<WasReset | null>(null)
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)
  const link = useQuery({
    queryKey: ['reset', token],
    queryFn: async () => (await postAuthReset({ body: { token }, throwOnError: true })).data,
    staleTime: Number.POSITIVE_INFINITY,
  })

  const submit = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name))
    if (text('password') !== text('again')) return setSaid('The two are not the same.')
    setBusy(true)
    setSaid('')
    try {
      const ended = (
        await postAuthReset({ body: { token, new_password: text('password') }, throwOnError: true })
      ).data
      forget(queries)
      setDone(ended)
    } catch (problem) {
      setSaid((problem as Error).message)
    } finally {
      setBusy(false)
    }
  }

  if (done)
    return (
      <Alone
        name="New password"
        title="Your password is changed"
        about={
          <>
            {endedText(done)} <Link to="/login">Sign in</Link> with the new one.
          </>
        }
      />
    )
  if (link.error && !done)
    return (
      <Alone
        name="New password"
        title={goneOf(link.error) ? 'This link opens nothing any more' : 'This could not be looked up'}
        about={link.error.message}
        foot={<Link to="/forgot">Ask for another link</Link>}
      />
    )
  return (
    <Alone
      name="New password"
      title="Set a new password"
      about="All sessions and personal access tokens of the account end with the old one."
    >
      <AloneForm verb="Set the password" {...{ busy, said, submit }}>
        <PasswordInput
          label="New password"
          description={`At least ${PASSWORD_CHARS_MIN} characters.`}
          name="password"
          autoComplete="new-password"
          minLength={PASSWORD_CHARS_MIN}
          required
          autoFocus
        />
        <PasswordInput
          label="Once more"
          name="again"
          autoComplete="new-password"
          minLength={PASSWORD_CHARS_MIN}
          required
        />
      </AloneForm>
    </Alone>
  )
}

const goneOf = (problem: unknown) => problem instanceof Problem && problem.code === 'reset_gone'

function endedText({ sessions_ended: sessions, tokens_revoked: tokens }: WasReset): string {
  const told = [
    sessions && `${sessions} ${sessions === 1 ? 'session' : 'sessions'}`,
    tokens && `${tokens} personal access ${tokens === 1 ? 'token' : 'tokens'}`,
  ].filter(Boolean)
  return told.length ? `${told.join(' and ')} ended.` : ''
}
