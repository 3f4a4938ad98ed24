// A password that was lost: a link goes to the address, where the installation sends mail; else it is said who can help.
import { TextInput } from '@mantine/core'
import { Link, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { postAuthForgot } from '../api/sdk.gen'
import { Alone, AloneForm } from '../parts/Alone'
import { Snippet } from '../parts/Copy'

export default function Forgot() {
  const { email } = useSearch({ from: '/forgot' })
  const [asked, setAsked] = useState<{ email: string; byMail: boolean } | null>(null)
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)

  const submit = async (form: HTMLFormElement) => {
    const address = String(new FormData(form).get('email')).trim()
    setBusy(true)
    setSaid('')
    try {
      const { by_mail } = (await postAuthForgot({ body: { email: address }, throwOnError: true })).data
      setAsked({ email: address, byMail: by_mail })
    } catch (problem) {
      setSaid((problem as Error).message)
    } finally {
      setBusy(false)
    }
  }

  const back = (
    <>
      It came back to you? <Link to="/login">Sign in</Link>
    </>
  )
  if (asked?.byMail)
    return (
      <Alone name="Lost password" title="Look into your mail" foot={back}>
        <div className="soft">
          <p>
            If there is an account of <strong>{asked.email}</strong>, a link is under way to it. It works
            once, for half an hour.
          </p>
          <p>
            Nothing there after some minutes? Look among the unwanted mail, then{' '}
            <Link to="/forgot" onClick={() => setAsked(null)}>
              ask again
            </Link>
            .
          </p>
        </div>
      </Alone>
    )
  if (asked)
    return (
      <Alone name="Lost password" title="Ask who runs this installation" foot={back}>
        <div className="soft">
          <p>It cannot send mail, so nobody gets a link. Whoever runs it gives you another password:</p>
          <Snippet text={`tallystick members reset-password ${asked.email}`} what="the command" />
        </div>
      </Alone>
    )
  return (
    <Alone
      name="Lost password"
      title="Lost your password?"
      about="A link to set another one goes to the address of your account."
      foot={back}
    >
      <AloneForm verb="Send the link" {...{ busy, said, submit }}>
        <TextInput
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          defaultValue={email}
          required
          autoFocus
        />
      </AloneForm>
    </Alone>
  )
}
