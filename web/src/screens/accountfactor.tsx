// The second factor: set up with an authenticator, its recovery codes shown once, made anew alone, or removed.
import { Button, Group, PasswordInput, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { type UseQueryResult, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import {
  postAuthTotp,
  postAuthTotpConfirm,
  postAuthTotpRecoveryCodes,
  postAuthTotpRemove,
} from '../api/sdk.gen'
import type { Begun, Standing } from '../api/types.gen'
import { Said } from '../parts/Alone'
import { Copy, CopyThis } from '../parts/Copy'
import { CODE } from '../parts/factor'
import { Section } from '../parts/Page'
import { Qr } from '../parts/Qr'
import { Coming, Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import { sessionQuery, useSession } from '../session'

type Doing = 'set' | 'renew' | 'remove'

export function SecondFactor({ factor }: { factor: UseQueryResult<Standing> }) {
  const session = useSession()
  const queries = useQueryClient()
  const [doing, setDoing] = useState<Doing | null>(session.second_factor_missing ? 'set' : null)
  const [codes, setCodes] = useState<string[] | null>(null)
  const again = async () => {
    await queries.invalidateQueries({ queryKey: ['totp'] })
    await queries.invalidateQueries({ queryKey: ['sessions'] })
  }
  const told = async (made: string[]) => {
    setCodes(made)
    setDoing(null)
    await again()
  }
  const { data, error } = factor
  return (
    <Section
      title="Second factor"
      end={data && (data.set ? <span className="tag green">On</span> : <span className="tag">Off</span>)}
    >
      {error ? (
        <Fault problem={error} />
      ) : !data ? (
        <Coming rows={2} />
      ) : codes ? (
        <Codes
          codes={codes}
          done={() => {
            setCodes(null)
            // Until here nothing else was open, where the organisation asks for one.
            queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
          }}
        />
      ) : doing === 'set' ? (
        <SetUp made={told} close={session.second_factor_missing ? null : () => setDoing(null)} />
      ) : doing ? (
        <Proof
          doing={doing}
          made={told}
          removed={async () => {
            setDoing(null)
            await again()
            notifications.show({
              message: 'The second factor is off. Your password alone opens your account.',
            })
          }}
          close={() => setDoing(null)}
        />
      ) : (
        <div className="form">
          <p className="soft">
            {data.set
              ? `Every sign-in asks for a code. ${data.recovery_codes_left} of ten recovery codes are left.`
              : 'A code of an authenticator, besides the password: whoever learns the one has not the other.'}
            {data.required && ' This organisation asks for it.'}
          </p>
          <Group gap="xs">
            {data.set ? (
              <>
                <Button variant="default" onClick={() => setDoing('renew')}>
                  New recovery codes…
                </Button>
                <Button variant="default" onClick={() => setDoing('remove')} disabled={data.required}>
                  Remove…
                </Button>
              </>
            ) : (
              <Button variant="default" onClick={() => setDoing('set')}>
                Set up…
              </Button>
            )}
          </Group>
        </div>
      )}
    </Section>
  )
}

function SetUp({ made, close }: { made: (codes: string[]) => void; close: (() => void) | null }) {
  const [begun, setBegun] = useState<Begun | null>(null)
  const { busy, problem, act } = useDoing()
  const { account } = useSession()
  const begin = (text: Text) =>
    act(async () =>
      setBegun((await postAuthTotp({ body: { password: text('password') }, throwOnError: true })).data),
    )
  const confirm = (text: Text) =>
    act(async () => {
      const done = await postAuthTotpConfirm({ body: { code: text('code').trim() }, throwOnError: true })
      made(done.data.recovery_codes)
    })
  if (!begun)
    return (
      <Form verb="Go on" busy={busy} problem={problem} close={close} submit={begin}>
        <p className="soft">First your password, so that it is you who sets it up.</p>
        <PasswordInput label="Password" name="password" autoComplete="current-password" required autoFocus />
      </Form>
    )
  return (
    <Form verb="Turn it on" busy={busy} problem={problem} close={close} submit={confirm}>
      <p className="soft">Scan this with an authenticator, then type the code that it shows.</p>
      <div className="scan">
        <Qr text={begun.uri} label={`QR code for an authenticator: Tallystick, ${account.email}`} />
        <div>
          <span className="label">Or type it in</span>
          <p className="secret">
            <code data-secret>{begun.secret.match(/.{1,4}/g)?.join(' ')}</code>{' '}
            <Copy text={begun.secret} what="the secret" />
          </p>
          <a href={begun.uri}>Open in an authenticator on this device</a>
        </div>
      </div>
      <TextInput
        label="Code"
        name="code"
        autoComplete="one-time-code"
        inputMode="numeric"
        maw={200}
        required
        autoFocus
      />
    </Form>
  )
}

/** Password and code, before the codes are made anew or the factor is taken away. */
function Proof({
  doing,
  made,
  removed,
  close,
}: {
  doing: Exclude<Doing, 'set'>
  made: (codes: string[]) => void
  removed: () => void
  close: () => void
}) {
  const { busy, problem, act } = useDoing()
  const submit = (text: Text) =>
    act(async () => {
      const body = { password: text('password'), code: text('code').trim() }
      if (doing === 'renew')
        made((await postAuthTotpRecoveryCodes({ body, throwOnError: true })).data.recovery_codes)
      else {
        await postAuthTotpRemove({ body, throwOnError: true })
        removed()
      }
    })
  return (
    <Form
      verb={doing === 'renew' ? 'Make new codes' : 'Remove the second factor'}
      alarm={doing === 'remove'}
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
    >
      <p className="soft">
        {doing === 'renew'
          ? 'Ten other recovery codes; the old ones open nothing any more. The authenticator stays.'
          : 'Your password alone will open your account.'}
      </p>
      <PasswordInput label="Password" name="password" autoComplete="current-password" required autoFocus />
      <TextInput label="Code" name="code" autoComplete="one-time-code" description={CODE} required />
    </Form>
  )
}

function Codes({ codes, done }: { codes: string[]; done: () => void }) {
  return (
    <div className="form">
      <p className="soft">
        Each of these opens your account once, without the authenticator. They are shown this once: store them
        where you find them without your phone.
      </p>
      <ul className="codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <Group gap="xs">
        <CopyThis text={codes.join('\n')}>Copy codes</CopyThis>
        <Button variant="default" onClick={done}>
          I have stored them
        </Button>
      </Group>
    </div>
  )
}

type Text = (name: string) => string

function Form({
  verb,
  alarm = false,
  busy,
  problem,
  close,
  submit,
  children,
}: {
  verb: string
  alarm?: boolean
  busy: boolean
  problem: Error | null
  close: (() => void) | null
  submit: (text: Text) => void
  children: ReactNode
}) {
  return (
    <form
      className="form"
      onSubmit={(event: FormEvent<HTMLFormElement>) => {
        event.preventDefault()
        const said = new FormData(event.currentTarget)
        submit((name) => String(said.get(name) ?? ''))
      }}
    >
      {children}
      <Said>{problem?.message}</Said>
      <Group gap="xs">
        <Button type="submit" loading={busy} {...(alarm ? { color: 'alarm' } : {})}>
          {verb}
        </Button>
        {close && (
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
        )}
      </Group>
    </form>
  )
}
