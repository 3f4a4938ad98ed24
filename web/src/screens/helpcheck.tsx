// What is wrong: an error that was pasted, a key, an address. An error and an address are judged in this page; a key is sent to
// the server once, which says what it is and keeps nothing, and a sandbox call tells what a call of it would be told.
import { Button, PasswordInput, Select, Textarea, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { postHelpKey } from '../api/sdk.gen'
import { judged } from '../baseurl'
import { CLIENTS, clientOf } from '../connect'
import { ask } from '../firstcall'
import { freshText, lagging } from '../freshness'
import { hitsOf, requestsIn } from '../manual'
import { Snippet } from '../parts/Copy'
import { ManualBlock, Said } from '../parts/Manual'
import { Section } from '../parts/Page'
import { useStanding } from '../parts/standing'
import { Fault } from '../parts/states'
import { may, useSession, useZone } from '../session'
import type { HelpProps } from './Help'

export function Check({ search, say, slug }: HelpProps & { slug: string }) {
  const session = useSession()
  return (
    <div className="help-check">
      <PastedError slug={slug} />
      {may(session, 'owner', 'admin', 'manager', 'member') && <KeyCheck slug={slug} />}
      <AddressCheck search={search} say={say} />
      <GatewayCheck />
      <Section title="On the host">
        <p className="soft">
          Settings, files, disk, database, port, clock and prices of the installation; it looks and changes
          nothing.
        </p>
        <Snippet text="tallystick doctor" what="the command" />
      </Section>
    </div>
  )
}

/** What the gateway says of itself to everybody; what its machine is like is for who holds that. */
function GatewayCheck() {
  const { zone } = useZone()
  const { status, reasons, away, books } = useStanding()
  if (!status && !away) return null
  const right = status === 'ready' && !away && !lagging(books)
  return (
    <Section title="The gateway">
      <div className="verdict" data-right={right || undefined} role="status">
        <h3>
          {away
            ? 'It does not answer.'
            : status === 'not ready'
              ? 'It takes no calls.'
              : right
                ? 'It takes calls, and books them.'
                : 'It takes calls, and its books fall behind.'}
        </h3>
        {reasons.length > 0 && <p>{reasons.join('; ')}.</p>}
        {books && <p>{freshText(books, zone)}</p>}
      </div>
    </Section>
  )
}

function PastedError({ slug }: { slug: string }) {
  const [text, setText] = useState('')
  const hits = hitsOf(text)
  const requests = requestsIn(text)
  return (
    <Section title="An error">
      <Textarea
        label="What your program was told"
        placeholder={"Error code: 401 - {'error': {'code': 'invalid_api_key', …}}"}
        autosize
        minRows={3}
        maxRows={10}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        styles={{ input: { fontFamily: 'var(--mono)' } }}
      />
      <div aria-live="polite" className="help-found">
        {requests.map((id) => (
          <p key={id}>
            It was call{' '}
            <Link to="/o/$slug/requests/$id" params={{ slug, id }}>
              {id}
            </Link>
            , which has the whole story.
          </p>
        ))}
        {hits.map(({ section, code, block }) => (
          <div key={`${section}${code}${JSON.stringify(block)}`} className="manual">
            <h3>
              {code && <code>{code}</code>} <Said text={section} />
            </h3>
            <ManualBlock block={block} />
          </div>
        ))}
        {text.trim() !== '' && hits.length === 0 && requests.length === 0 && (
          <p className="soft">
            There is no code of the gateway's in it, and no status that the manual speaks of. An error without
            our code is the provider's own, passed on unchanged: its documentation says what it means.
          </p>
        )}
      </div>
    </Section>
  )
}

function KeyCheck({ slug }: { slug: string }) {
  const session = useSession()
  const [text, setText] = useState('')
  const key = text.trim()
  const check = useMutation({
    mutationFn: async () => (await postHelpKey({ body: { key }, throwOnError: true })).data,
  })
  const call = useMutation({
    mutationFn: () =>
      ask({ provider: 'openai', model: 'gpt-4o-mini', prompt: 'Hello', limit: 20, key, way: 'sandbox' }),
  })
  const found = check.data
  return (
    <Section title="A key">
      <form
        className="help-line"
        onSubmit={(event) => {
          event.preventDefault()
          call.reset()
          check.mutate()
        }}
      >
        <PasswordInput
          className="wide"
          label="Key"
          description="It is looked up by its hash, and written nowhere."
          placeholder="tsk_…"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value)
            check.reset()
            call.reset()
          }}
          autoComplete="off"
        />
        <Button type="submit" disabled={key === ''} loading={check.isPending}>
          Check key
        </Button>
      </form>
      <div aria-live="polite" className="help-found">
        {check.error && <Fault problem={check.error} />}
        {found && (
          <div className="verdict" data-right={found.verdict === 'valid' || undefined}>
            <h3>{found.says}</h3>
            <p>
              <Said text={found.do} />
            </p>
            {found.provider && <p>By its form it is of {found.provider}.</p>}
            {found.verdict === 'provider_key' && may(session, 'owner', 'admin') && (
              <p>
                Stored under{' '}
                <Link to="/o/$slug/providers" params={{ slug }}>
                  Providers
                </Link>
                , it is tried at once: whether its provider takes it, by a request that costs nothing.
              </p>
            )}
            {found.key && (
              <p>
                It is{' '}
                <Link to="/o/$slug/keys" params={{ slug }}>
                  {found.key.name || found.key.id}
                </Link>
                {found.key.team
                  ? ` of team ${found.key.team}${found.key.project ? `, project ${found.key.project}` : ''}`
                  : ', of the whole organisation'}
                .
              </p>
            )}
          </div>
        )}
        {found?.verdict === 'valid' && (
          <Button variant="default" onClick={() => call.mutate()} loading={call.isPending}>
            Make a sandbox call with it
          </Button>
        )}
        {call.error && <Fault problem={call.error} />}
        {call.data && (
          <p>
            {call.data.status < 300
              ? `It went through in ${call.data.took_ms} ms.`
              : `It was refused with ${call.data.status}: ${call.data.text}`}{' '}
            {call.data.request && (
              <Link to="/o/$slug/requests/$id" params={{ slug, id: call.data.request }}>
                See the call
              </Link>
            )}
          </p>
        )}
      </div>
    </Section>
  )
}

function AddressCheck({ search, say }: HelpProps) {
  const [text, setText] = useState('')
  const client = clientOf(search.client ?? 'openai-python')
  const gateway = window.location.origin
  const found = client && text.trim() ? judged(text, client, gateway) : null
  return (
    <Section title="An address">
      <div className="help-line">
        <Select
          className="narrow"
          label="Client"
          allowDeselect={false}
          searchable
          data={CLIENTS.map(({ id, name }) => ({ value: id, label: name }))}
          value={client?.id ?? null}
          onChange={(id) => say({ client: id ?? undefined })}
        />
        <TextInput
          className="wide"
          label="Base URL that it was given"
          placeholder={client?.forms[0]?.address.replace('{gateway}', gateway)}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <div aria-live="polite" className="help-found">
        {found && (
          <div className="verdict" data-right={found.right || undefined}>
            <h3>{found.says}</h3>
            {found.instead && (
              <>
                <p>As this page sees the gateway, it would be:</p>
                <Snippet text={found.instead} what="the address" />
              </>
            )}
          </div>
        )}
      </div>
    </Section>
  )
}
