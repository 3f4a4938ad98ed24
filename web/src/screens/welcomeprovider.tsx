// Whose account the models are of: nobody's (the sandbox), one whose key is stored sealed, or one whose key is sent along with
// each call. A test call shows that it works before anybody's code does.
import { Button, Group, PasswordInput, Radio, Select } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { getCredentials, postCredentialsProviderNameTest, putCredentialsProviderName } from '../api/sdk.gen'
import type { Credential, TestedCredential } from '../api/types.gen'
import { type Answered, ask, PROVIDERS, type ProviderId, WAYS, type Way } from '../firstcall'
import { KeyTested } from '../parts/KeyTested'
import { Fault } from '../parts/states'
import { may, useSession } from '../session'
import type { StepProps } from './Welcome'
import type { WelcomeSearch } from './welcomesearch'

const NAME = 'default'
const TEST = { prompt: 'Say OK.', limit: 16 }
/** What a listing that costs nothing says for sure; everything else is left to one small call. */
const PROVED = new Set<TestedCredential['outcome']>(['works', 'refused', 'unreachable', 'unusable'])
const ABOUT: { [way in Way]: string } = {
  sandbox: 'Answers in each provider’s own shape without any account, and costs nothing.',
  stored: 'The gateway keeps the provider’s key under AES-256; callers have a key of ours only.',
  passed: 'Each caller brings the provider’s key. It is used for that call, and neither stored nor logged.',
}

export function ProviderStep({ search, held, hold, go }: StepProps) {
  const session = useSession()
  const queries = useQueryClient()
  const stores = may(session, 'owner', 'admin')
  const way: Way = search.way ?? 'sandbox'
  const provider: ProviderId = search.provider ?? 'openai'
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const [tested, setTested] = useState<Answered | null>(null)
  const [checked, setChecked] = useState<TestedCredential | null>(null)
  const sealed = useQuery({
    queryKey: ['credentials'],
    queryFn: async () => (await getCredentials({ throwOnError: true })).data.items as Credential[],
    enabled: stores,
  })
  const there = sealed.data?.find((one) => one.provider === provider && one.name === NAME)
  const choose = (more: { way?: Way; provider?: ProviderId }) => {
    setTested(null)
    setChecked(null)
    setProblem(null)
    if (more.provider) hold({ credential: '' })
    const { way: wanted = way, provider: whose = provider } = more
    go({
      way: wanted === 'sandbox' ? undefined : wanted,
      provider: whose === 'openai' ? undefined : whose,
    })
  }

  const test = async () => {
    setBusy(true)
    setProblem(null)
    setTested(null)
    setChecked(null)
    try {
      if (way === 'stored' && typed.trim()) {
        await putCredentialsProviderName({
          path: { provider, name: NAME },
          body: { value: typed.trim() },
          throwOnError: true,
        })
        setTyped('')
        await queries.invalidateQueries({ queryKey: ['credentials'] })
      }
      if (way === 'stored') {
        const path = { provider, name: NAME }
        const { data } = await postCredentialsProviderNameTest({ path, throwOnError: true })
        if (PROVED.has(data.outcome)) {
          setChecked(data)
          return
        }
      }
      const credential = way === 'passed' ? typed.trim() || held.credential : ''
      const asked = { provider, model: PROVIDERS[provider].model, key: held.key, way, credential, ...TEST }
      const answered = await ask(asked)
      setTested(answered)
      if (way === 'passed' && answered.status === 200) hold({ credential })
    } catch (found) {
      setProblem(found)
    } finally {
      setBusy(false)
    }
  }

  const ready = way === 'sandbox' || tested?.status === 200 || checked?.outcome === 'works'
  const can = way === 'stored' ? Boolean(typed.trim() || there) : Boolean(typed.trim() || held.credential)
  return (
    <>
      <h2>Connect a provider</h2>
      <Radio.Group
        value={way}
        onChange={(chosen) => choose({ way: chosen as Way })}
        aria-label="Whose key the provider sees"
      >
        <div className="ways">
          {(Object.keys(WAYS) as Way[]).map((one) => (
            <Radio
              key={one}
              value={one}
              label={WAYS[one]}
              description={
                one === 'stored' && !stores ? `${ABOUT[one]} An owner or an admin does that.` : ABOUT[one]
              }
              disabled={one === 'stored' && !stores}
            />
          ))}
        </div>
      </Radio.Group>
      {way !== 'sandbox' && (
        <form
          autoComplete="off"
          onSubmit={(event) => {
            event.preventDefault()
            if (can && held.key) test()
          }}
        >
          <Group grow align="flex-start" mt="md">
            <Select
              label="Provider"
              data={Object.entries(PROVIDERS).map(([value, { name }]) => ({ value, label: name }))}
              value={provider}
              onChange={(chosen) => choose({ provider: (chosen ?? provider) as ProviderId })}
              allowDeselect={false}
            />
            <PasswordInput
              label={`Its key${way === 'stored' && there ? ', to replace the one that is stored' : ''}`}
              placeholder={PROVIDERS[provider].keys}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              autoComplete="new-password"
            />
          </Group>
          <Group mt="md" gap="md">
            <Button type="submit" variant="default" loading={busy} disabled={!can || !held.key}>
              {way === 'stored' && typed.trim() ? 'Store and test' : 'Test'}
            </Button>
            {!checked && <Standing tested={tested} there={way === 'stored' && there !== undefined} />}
          </Group>
          {checked && <KeyTested test={checked} />}
          <p className="label">
            {way === 'stored' &&
              'The test asks the provider for its list of models, which costs nothing. Only where that proves nothing it is '}
            {way === 'passed' && 'The test is '}
            one real call with at most {TEST.limit} tokens of answer ({PROVIDERS[provider].model}): a small
            part of a cent on your account.
          </p>
        </form>
      )}
      {!held.key && way !== 'sandbox' && <NoKey />}
      {tested && tested.status !== 200 && (
        <div className="said" role="alert">
          <strong>{refusedBy(tested)}</strong> {tested.text}
        </div>
      )}
      {problem !== null && <Fault problem={problem} />}
      <div className="step-end">
        <Button onClick={() => go({ step: 'prompt' })} variant={ready ? 'filled' : 'default'}>
          {ready ? 'Go on' : 'Go on without a test'}
        </Button>
      </div>
    </>
  )
}

function Standing({ tested, there }: { tested: Answered | null; there: boolean }) {
  if (tested?.status === 200)
    return (
      <output>
        <span className="tag green">Active</span>{' '}
        <span className="label">it answered after {tested.took_ms} ms</span>
      </output>
    )
  if (tested) return <span className="tag red">It does not work</span>
  return there ? <span className="tag">Stored, not tested</span> : null
}

function refusedBy({ status }: Answered): string {
  if (status === 401 || status === 403) return `Refused (${status}): is it the right key?`
  if (status === 429) return 'Too much at once, or nothing left on the account (429).'
  return `The answer was ${status}.`
}

export function NoKey() {
  const { slug } = useParams({ from: '/o/$slug/welcome' })
  return (
    <p className="soft">
      This page does not have your key’s text any more.{' '}
      <Link
        to="/o/$slug/welcome"
        params={{ slug }}
        search={(before: WelcomeSearch): WelcomeSearch => ({ ...before, step: 'key' })}
      >
        Paste it, or create another
      </Link>
      .
    </p>
  )
}
