// An invitation: to what and as what, then a new account's name and password, or the password of the account that is there.
import { PasswordInput, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { postAuthInvitation, postAuthInvitationAccept } from '../api/sdk.gen'
import type { Opened } from '../api/types.gen'
import { Alone, AloneForm } from '../parts/Alone'
import { CODE } from '../parts/factor'
import { ROLE_WORDS } from '../parts/roles'
import { Coming } from '../parts/states'
import { dateText } from '../parts/when'
import { Problem } from '../problem'
import { enter, PASSWORD_CHARS_MIN } from '../session'

export default function Invite() {
  const { token } = useParams({ from: '/invite/$token' })
  const { data, error, isPending } = useQuery({
    queryKey: ['invitation', token],
    queryFn: async () => (await postAuthInvitation({ body: { token }, throwOnError: true })).data,
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (error) {
    const gone = error instanceof Problem && error.code === 'invitation_gone'
    return (
      <Alone
        name="Invitation"
        title={gone ? 'This invitation opens nothing any more' : 'This could not be looked up'}
        about={
          gone ? (
            <>
              <p>
                It was used, taken back, replaced by a newer one, or it has expired; or the link is not whole.
              </p>
              <p>Whoever sent it can send another one. If you have joined already, sign in.</p>
            </>
          ) : (
            error.message
          )
        }
        foot={<Link to="/login">Sign in</Link>}
      />
    )
  }
  if (isPending)
    return (
      <Alone name="Invitation" title="An invitation">
        <Coming rows={3} />
      </Alone>
    )
  return <Join token={token} to={data} />
}

function Join({ token, to }: { token: string; to: Opened }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [said, setSaid] = useState('')
  const [second, setSecond] = useState(false)
  const [busy, setBusy] = useState(false)
  const place = to.name || to.organization

  const submit = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name) ?? '')
    setBusy(true)
    setSaid('')
    try {
      const session = (
        await postAuthInvitationAccept({
          body: {
            token,
            password: text('password'),
            ...(second ? { code: text('code').trim() } : {}),
            ...(to.has_account ? {} : { name: text('name').trim() }),
          },
          throwOnError: true,
        })
      ).data
      enter(queries, session)
      await navigate({ to: '/o/$slug/overview', params: { slug: session.organization }, replace: true })
    } catch (problem) {
      const known = problem as Problem
      if (known.code === 'totp_required' && !second) setSecond(true)
      else setSaid(known.message)
      setBusy(false)
    }
  }

  return (
    <Alone
      name="Invitation"
      title={`Join ${place}`}
      about={
        <>
          <p>
            {to.email} is invited as <strong>{to.role}</strong>
            {to.teams.length > 0 && (
              <>
                {' '}
                of team <strong>{to.teams.join(', ')}</strong>
              </>
            )}
            : {ROLE_WORDS[to.role] ?? ''} The link works once, until {dateText(to.expires_at, 'UTC')}.
          </p>
          {to.has_account && <p>The address has an account here. Join with its password.</p>}
        </>
      }
    >
      <AloneForm verb={`Join ${place}`} {...{ busy, said, submit }}>
        {/* Says to password managers whose password this is. */}
        <input type="hidden" name="email" autoComplete="username" value={to.email} readOnly />
        {!to.has_account && (
          <TextInput label="Your name" name="name" autoComplete="name" maxLength={256} required autoFocus />
        )}
        <PasswordInput
          label={to.has_account ? 'Password' : 'Choose a password'}
          description={to.has_account ? undefined : `At least ${PASSWORD_CHARS_MIN} characters.`}
          name="password"
          autoComplete={to.has_account ? 'current-password' : 'new-password'}
          minLength={to.has_account ? 1 : PASSWORD_CHARS_MIN}
          required
          autoFocus={to.has_account}
        />
        {second && (
          <TextInput
            label="Code"
            description={CODE}
            name="code"
            autoComplete="one-time-code"
            required
            autoFocus
          />
        )}
      </AloneForm>
    </Alone>
  )
}
