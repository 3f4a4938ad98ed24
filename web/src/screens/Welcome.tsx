// From nothing to a first call with its cost, in five steps. Where one is stands in the address; what was made stays, so that
// whoever comes back goes on from there. The key's text and a provider's key are kept by this page alone, while it is open.
import { Button } from '@mantine/core'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { Answered } from '../firstcall'
import { Page } from '../parts/Page'
import { Empty } from '../parts/states'
import { may, useSession } from '../session'
import { KeyStep } from './welcomekey'
import { PromptStep } from './welcomeprompt'
import { ProviderStep } from './welcomeprovider'
import { ResultStep } from './welcomeresult'
import { STEPS, type Step, type WelcomeSearch } from './welcomesearch'

/** What no address and no server keeps. */
export type Held = { key: string; credential: string; answered: Answered | null }
export type StepProps = {
  search: WelcomeSearch
  held: Held
  hold: (more: Partial<Held>) => void
  go: (more: { [name in keyof WelcomeSearch]: WelcomeSearch[name] | undefined }) => void
}

export default function Welcome() {
  const search = useSearch({ from: '/o/$slug/welcome' })
  const { slug } = useParams({ from: '/o/$slug/welcome' })
  const navigate = useNavigate({ from: '/o/$slug/welcome' })
  const session = useSession()
  const [held, setHeld] = useState<Held>({ key: '', credential: '', answered: null })
  const step = search.step ?? 'welcome'
  const props: StepProps = {
    search,
    held,
    hold: (more) => setHeld((before) => ({ ...before, ...more })),
    go: (more) => navigate({ search: (before: WelcomeSearch) => ({ ...before, ...more }) as WelcomeSearch }),
  }
  const leave = () => navigate({ to: '/o/$slug/overview', params: { slug } })
  if (!may(session, 'owner', 'admin', 'manager', 'member'))
    return (
      <Page title="Welcome" question="From nothing to a first call with its cost.">
        <Empty
          title={`As ${session.role} you make no keys`}
          action={
            <Link to="/o/$slug/overview" params={{ slug }}>
              To the overview
            </Link>
          }
        >
          Somebody who makes keys takes these steps; what is called with them stands in your overview a second
          later.
        </Empty>
      </Page>
    )
  return (
    <Page
      title="Welcome"
      question="From nothing to a first call with its cost, in five steps."
      actions={
        <Button variant="default" onClick={leave}>
          {step === 'result' ? 'To the overview' : 'Skip this'}
        </Button>
      }
    >
      <Progress step={step} search={search} />
      <div className="step">
        {step === 'welcome' && <Begin {...props} />}
        {step === 'key' && <KeyStep {...props} />}
        {step === 'provider' && <ProviderStep {...props} />}
        {step === 'prompt' && <PromptStep {...props} />}
        {step === 'result' && <ResultStep {...props} slug={slug} />}
      </div>
    </Page>
  )
}

function Progress({ step, search }: { step: Step; search: WelcomeSearch }) {
  const names = Object.keys(STEPS) as Step[]
  const here = names.indexOf(step)
  return (
    <ol className="steps" aria-label="Steps">
      {names.map((name, place) => (
        <li
          key={name}
          aria-current={name === step ? 'step' : undefined}
          data-done={place < here || undefined}
        >
          {place < here ? (
            <Link to="." search={{ ...search, step: name }}>
              {STEPS[name]}
            </Link>
          ) : (
            STEPS[name]
          )}
        </li>
      ))}
    </ol>
  )
}

function Begin({ go }: StepProps) {
  return (
    <>
      <h2>What will happen</h2>
      <ol className="prose told">
        <li>
          <strong>A key of your own.</strong> Calls are made with it, and booked on the team and project you
          give it.
        </li>
        <li>
          <strong>A provider, or none.</strong> The sandbox answers without any account, and costs nothing.
        </li>
        <li>
          <strong>A first prompt,</strong> from this page, the way your code will send it.
        </li>
        <li>
          <strong>Its cost,</strong> line by line, as it stands in the ledger; and the lines to paste into
          your code.
        </li>
      </ol>
      <p className="soft">It takes two minutes. You can leave at any step and go on later.</p>
      <div className="step-end">
        <Button onClick={() => go({ step: 'key' })} data-autofocus autoFocus>
          Get started
        </Button>
      </div>
    </>
  )
}
