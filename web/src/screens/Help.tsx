// Help: the first call, how a client is pointed here, what its headers say, and what to do when something is wrong. All of
// it is what the commands and the manual say, from the same files.
import { Tabs } from '@mantine/core'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { clientOf, filled } from '../connect'
import { MANUAL, type Section as ManualSection } from '../manual'
import { Snippet } from '../parts/Copy'
import { Manual, Said } from '../parts/Manual'
import { Page, Section } from '../parts/Page'
import './help.css'
import { Check } from './helpcheck'
import { Connect } from './helpconnect'
import { type HelpSearch, PARTS, type Part } from './helpsearch'

export type HelpProps = {
  search: HelpSearch
  say: (more: { [name in keyof HelpSearch]: HelpSearch[name] | undefined }) => void
}

export default function Help() {
  const search = useSearch({ from: '/o/$slug/help' })
  const { slug } = useParams({ from: '/o/$slug/help' })
  const navigate = useNavigate({ from: '/o/$slug/help' })
  const say: HelpProps['say'] = (more) =>
    navigate({ search: (before: HelpSearch) => ({ ...before, ...more }) as HelpSearch, replace: true })
  const part = search.part ?? 'start'
  return (
    <Page title="Help" question="How do I get there, and what went wrong?">
      <Tabs
        className="help"
        value={part}
        onChange={(chosen) =>
          navigate({ search: chosen && chosen !== 'start' ? { part: chosen as Part } : {} })
        }
        keepMounted={false}
      >
        <Tabs.List className="help-parts">
          {Object.entries(PARTS).map(([name, title]) => (
            <Tabs.Tab key={name} value={name}>
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="start" pt="md">
          <Start slug={slug} />
        </Tabs.Panel>
        <Tabs.Panel value="connect" pt="md">
          <Connect search={search} say={say} />
        </Tabs.Panel>
        <Tabs.Panel value="headers" pt="md">
          <Manual sections={MANUAL.headers.filter(({ level }) => level > 1)} />
        </Tabs.Panel>
        <Tabs.Panel value="practices" pt="md">
          <Manual sections={MANUAL.practices.filter(({ level }) => level > 1)} />
        </Tabs.Panel>
        <Tabs.Panel value="trouble" pt="md">
          <p className="soft">
            By what you see. An error can also be <PartLink part="check">pasted</PartLink>, and the page says
            what it means.
          </p>
          <Manual sections={MANUAL.troubleshooting.filter(({ level }) => level > 1)} />
          <Refusals section={MANUAL.refusals.find(({ blocks }) => blocks.some(({ table }) => table))} />
        </Tabs.Panel>
        <Tabs.Panel value="check" pt="md">
          <Check search={search} say={say} slug={slug} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

function PartLink({ part, children }: { part: Part; children: string }) {
  return (
    <Link from="/o/$slug/help" to="." search={{ part }}>
      {children}
    </Link>
  )
}

function Refusals({ section }: { section: ManualSection | undefined }) {
  if (!section) return null
  return <Manual sections={[{ ...section, level: 2, title: 'Every refusal of the gateway' }]} />
}

function Start({ slug }: { slug: string }) {
  const curl = clientOf('curl')?.forms[0]
  const gateway = window.location.origin
  return (
    <div className="help-start">
      <Section title="1. A key">
        <p className="soft">
          A key says on whose account a call is. Make one under{' '}
          <Link to="/o/$slug/keys" params={{ slug }}>
            Keys
          </Link>
          , or in a terminal on the host; its text is shown once.
        </p>
        <Snippet text="tallystick keys create --team growth --project onboarding" what="the command" />
      </Section>
      <Section title="2. A call that costs nothing">
        <p className="soft">The sandbox answers in the provider's own shape. It needs no account anywhere.</p>
        {curl && (
          <Snippet
            text={filled(curl, { gateway, headers: { 'X-Tallystick-Sandbox': 'true' } })}
            what="the call"
          />
        )}
      </Section>
      <Section title="3. Your own code">
        <p className="soft">
          Two changes: the address, and our key where the provider's would stand.{' '}
          <PartLink part="connect">Connect</PartLink> has the lines for every client; in a terminal:
        </p>
        <Snippet
          text={'tallystick connect openai-python\ntallystick run --project nightly -- pytest'}
          what="the commands"
        />
      </Section>
      <Section title="4. What it cost">
        <p className="soft">
          Every answer carries its call's id in <code>x-tallystick-request-id</code>. It stands under{' '}
          <Link to="/o/$slug/requests" params={{ slug }}>
            Requests
          </Link>{' '}
          with its arithmetic, line by line.
        </p>
        <Snippet text="tallystick explain req_…" what="the command" />
      </Section>
      <Section title="For programs">
        <p className="soft">
          <Said text="Everything here is an API: `GET /api/openapi.json` describes it, for a personal access token or a session; " />
          <a href="/api/openapi.json" target="_blank" rel="noreferrer">
            open the description
          </a>
          .
        </p>
      </Section>
    </div>
  )
}
