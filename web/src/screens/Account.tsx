// One's own account: what one is called, what one signs in with, and where one is signed in.
import { Button, Group, PasswordInput, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { patchAuthMe, postAuthPassword } from '../api/sdk.gen'
import { Said } from '../parts/Alone'
import { Fact } from '../parts/Figure'
import { CODE, useFactor } from '../parts/factor'
import { Section } from '../parts/Page'
import { ROLE_WORDS } from '../parts/roles'
import { Settings } from '../parts/Settings'
import { useDoing } from '../parts/useDoing'
import { PASSWORD_CHARS_MIN, sessionQuery, useSession } from '../session'
import { SecondFactor } from './accountfactor'
import { Sessions } from './accountsessions'

export default function Account() {
  const session = useSession()
  const factor = useFactor()
  return (
    <Settings title="My account" question="Who am I here, and where am I signed in?">
      {session.second_factor_missing ? (
        <SecondFactor factor={factor} />
      ) : (
        <>
          <Name />
          <Password coded={factor.data?.set ?? false} />
          <SecondFactor factor={factor} />
          <Sessions />
        </>
      )}
    </Settings>
  )
}

function Name() {
  const session = useSession()
  const queries = useQueryClient()
  const [name, setName] = useState(session.account.name)
  const { busy, problem, act } = useDoing()
  const save = () =>
    act(async () => {
      await patchAuthMe({ body: { name: name.trim() }, throwOnError: true })
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
      await queries.invalidateQueries({ queryKey: ['members'] })
      notifications.show({ message: `You are called ${name.trim()} from now on.` })
    })
  return (
    <Section title="You">
      <dl className="facts">
        <Fact name="E-mail">{session.account.email}</Fact>
        <Fact name="Role">
          {session.role}
          <span className="soft">: {ROLE_WORDS[session.role]}</span>
        </Fact>
        <Fact name="Teams">{session.teams.join(', ')}</Fact>
      </dl>
      <form
        className="row-form"
        onSubmit={(event) => {
          event.preventDefault()
          save()
        }}
      >
        <TextInput
          label="Name"
          description="What others see you called."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="name"
          required
          maxLength={256}
        />
        <Button
          type="submit"
          variant="default"
          loading={busy}
          disabled={!name.trim() || name.trim() === session.account.name}
        >
          Save name
        </Button>
      </form>
      <Said>{problem?.message}</Said>
    </Section>
  )
}

function Password({ coded }: { coded: boolean }) {
  const queries = useQueryClient()
  const { busy, problem, act } = useDoing()
  const [unlike, setUnlike] = useState(false)
  const change = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name) ?? '')
    setUnlike(text('new') !== text('again'))
    if (text('new') !== text('again')) return
    const done = await act(async () => {
      const { ended } = (
        await postAuthPassword({
          body: {
            password: text('password'),
            new_password: text('new'),
            ...(coded ? { code: text('code').trim() } : {}),
          },
          throwOnError: true,
        })
      ).data
      await queries.invalidateQueries({ queryKey: ['sessions'] })
      notifications.show({
        message: `Your password is changed.${ended ? ` ${ended} other ${ended === 1 ? 'session' : 'sessions'} ended.` : ''}`,
      })
    })
    if (done) form.reset()
  }
  return (
    <Section title="Password">
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          change(event.currentTarget)
        }}
      >
        <p className="soft">
          A new one ends your other sessions. Access tokens stay; revoke those that somebody else may have
          made.
        </p>
        <PasswordInput label="Password now" name="password" autoComplete="current-password" required />
        {coded && (
          <TextInput label="Code" name="code" autoComplete="one-time-code" description={CODE} required />
        )}
        <PasswordInput
          label="New password"
          name="new"
          autoComplete="new-password"
          description={`At least ${PASSWORD_CHARS_MIN} characters.`}
          minLength={PASSWORD_CHARS_MIN}
          required
        />
        <PasswordInput
          label="Once more"
          name="again"
          autoComplete="new-password"
          error={unlike && 'The two are not the same.'}
          required
        />
        <Said>{problem?.message}</Said>
        <Group>
          <Button type="submit" variant="default" loading={busy}>
            Change password
          </Button>
        </Group>
      </form>
    </Section>
  )
}
