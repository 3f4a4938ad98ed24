// What came of the first prompt: the answer, what it cost and why, and where that is written; then the lines for one's own code
// and a light that turns on when a call of it arrives.
import { Button, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { getLedgerEntries, getRequests, getRequestsRequestId } from '../api/sdk.gen'
import { type CallDocument, type CallItem, shownNanos } from '../calls'
import { clientOf, type Filling, filled } from '../connect'
import { exactly } from '../exact'
import { AGENT, type Way } from '../firstcall'
import { full, grouped } from '../money'
import { Arithmetic } from '../parts/Arithmetic'
import { Copy, Snippet } from '../parts/Copy'
import { Fact, Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Section } from '../parts/Page'
import { Coming, Empty, Fault } from '../parts/states'
import { Problem } from '../problem'
import { may, useSession } from '../session'
import type { Held, StepProps } from './Welcome'
import type { WelcomeSearch } from './welcomesearch'

const ASK_AGAIN_MS = 1000
const TRIES_MAX = 15
// Clients of docs/reference/clients.json, by the shortest name that tells them apart here.
const CODES: { [id: string]: string } = {
  'openai-python': 'Python',
  'openai-js': 'JavaScript',
  curl: 'curl',
  'anthropic-python': 'Anthropic',
  go: 'Go',
  java: 'Java',
  php: 'PHP',
  'langchain-python': 'LangChain',
  'vercel-ai': 'AI SDK',
  'claude-code': 'Claude Code',
  codex: 'Codex',
}

export function ResultStep({ search, held, go, slug }: StepProps & { slug: string }) {
  const { request } = search
  // A call is booked within a second of its answer: until then there is none of that id.
  const { data, error } = useQuery({
    queryKey: ['request', request],
    queryFn: async () =>
      (await getRequestsRequestId({ path: { request_id: request as string }, throwOnError: true }))
        .data as unknown as CallDocument,
    enabled: request !== undefined,
    retry: (count, found) => count < TRIES_MAX && (!(found instanceof Problem) || found.status === 404),
    retryDelay: ASK_AGAIN_MS,
    refetchInterval: (query) => (query.state.data?.state === 'open' ? ASK_AGAIN_MS : false),
  })
  if (!request)
    return (
      <Empty
        title="Nothing was sent yet"
        action={<Button onClick={() => go({ step: 'prompt' })}>Send a first prompt</Button>}
      >
        Its answer and its cost will stand here.
      </Empty>
    )
  const answered = held.answered?.request === request ? held.answered : null
  return (
    <>
      {answered ? (
        <blockquote className="answer">{answered.text || 'The answer had no text.'}</blockquote>
      ) : (
        <p className="soft">What was answered is not kept: the ledger has figures, and no words.</p>
      )}
      {error ? (
        <Fault problem={error} />
      ) : !data ? (
        <Coming rows={4} />
      ) : (
        <Cost call={data} slug={slug} took={answered?.took_ms} />
      )}
      <YourCode search={search} held={held} slug={slug} />
    </>
  )
}

function Cost({ call, slug, took }: { call: CallDocument; slug: string; took: number | undefined }) {
  const session = useSession()
  const entry = useQuery({
    queryKey: ['ledger', 'of request', call.id],
    queryFn: async () =>
      (await getLedgerEntries({ query: { request: call.id }, throwOnError: true })).data.items[0] ?? null,
    enabled: may(session, 'owner', 'admin', 'manager') && call.state !== 'open',
  })
  return (
    <>
      <div className="figures">
        <Figure
          label="Cost"
          note={call.sandbox ? 'what it would have cost: the sandbox is free' : full(call.cost_nanos)}
        >
          <Money nanos={shownNanos(call)} />
        </Figure>
        <Figure label="Tokens in" note="">
          {grouped(Number(call.usage?.input ?? 0))}
        </Figure>
        <Figure label="Tokens out" note="">
          {grouped(Number(call.usage?.output ?? 0))}
        </Figure>
        <Figure
          label="Latency"
          note={took === undefined ? 'as the gateway saw it' : `${grouped(took)} ms as this page saw it`}
        >
          {call.latency_ms === null ? '–' : `${grouped(call.latency_ms)} ms`}
        </Figure>
      </div>
      <Arithmetic call={call} />
      <Section title="Where it is written">
        <dl className="facts">
          <Fact name="Request">
            <Link to="/o/$slug/requests/$id" params={{ slug, id: call.id }}>
              <code>{call.id}</code>
            </Link>{' '}
            <Copy text={call.id} what="the request’s id" />
          </Fact>
          <Fact name="Ledger">
            {entry.data && `Entry ${grouped(entry.data.seq)}: ${entry.data.sentence}`}
          </Fact>
          <Fact name="Provider">{call.provider}</Fact>
          <Fact name="Model">{call.served_model ?? call.requested_model}</Fact>
          <Fact name="In a terminal">
            <code>tallystick explain {call.id}</code>
          </Fact>
        </dl>
      </Section>
    </>
  )
}

function YourCode({ search, held, slug }: { search: WelcomeSearch; held: Held; slug: string }) {
  const filling = fillingOf(search.way ?? 'sandbox', held.key)
  const codes = Object.entries(CODES).flatMap(([id, name]) => {
    const form = clientOf(id)?.forms[0]
    return form ? [{ id, name, file: form.file, text: filled(form, filling) }] : []
  })
  return (
    <Section title="Now from your own code">
      {search.key && <Light keyId={search.key} slug={slug} />}
      <Tabs defaultValue={codes[0]?.id ?? ''} keepMounted={false}>
        <Tabs.List>
          {codes.map((code) => (
            <Tabs.Tab key={code.id} value={code.id}>
              {code.name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {codes.map((code) => (
          <Tabs.Panel key={code.id} value={code.id} pt="sm">
            {code.file && (
              <p className="label">
                In <code>{code.file}</code>
              </p>
            )}
            <Snippet text={code.text} what={`the ${code.name} lines`} />
          </Tabs.Panel>
        ))}
      </Tabs>
      {!search.way && (
        <p className="soft prose" style={{ marginTop: 12 }}>
          The sandbox answers these as well. For real answers leave its header out, once a provider’s key is
          stored or sent along.
        </p>
      )}
    </Section>
  )
}

/** As the first prompt went: in the sandbox, with the key alone, or with a provider’s own in its place. */
function fillingOf(way: Way, key: string): Filling {
  const gateway = window.location.origin
  const ours = key || 'YOUR_KEY'
  if (way === 'passed') return { gateway, key: 'PROVIDER_KEY', headers: { 'X-Tallystick-Key': ours } }
  return { gateway, key: ours, headers: way === 'sandbox' ? { 'X-Tallystick-Sandbox': 'true' } : {} }
}

/** Turns on when a call with this key arrives that did not come from these pages. */
function Light({ keyId, slug }: { keyId: string; slug: string }) {
  const before = useQuery({
    queryKey: ['onboarding', 'first', keyId],
    queryFn: async () =>
      (await getRequests({ query: { key: keyId, limit: 50 }, throwOnError: true })).data
        .items as unknown as CallItem[],
    staleTime: 0,
  })
  const [came, setCame] = useState<CallItem | null>(null)
  const first = came ?? before.data?.find(ofOwnCode) ?? null
  const waits = first === null
  useEffect(() => {
    if (!waits) return
    const filters = JSON.stringify([{ dimension: 'key', test: 'is', values: [keyId] }])
    const stream = new EventSource(`/api/live?filters=${encodeURIComponent(filters)}`)
    stream.addEventListener('call', (event) => {
      const call = JSON.parse(exactly(event.data)) as CallItem
      if (ofOwnCode(call)) setCame(call)
    })
    return () => stream.close()
  }, [keyId, waits])
  return (
    <output className="live-state light" data-first={first?.id}>
      <span className={first ? 'live-dot lit' : 'live-dot off'} aria-hidden />
      {first ? (
        <>
          First call received:{' '}
          <Link to="/o/$slug/requests/$id" params={{ slug, id: first.id }}>
            see it
          </Link>
        </>
      ) : (
        'Waiting for a call from your code'
      )}
    </output>
  )
}

const ofOwnCode = (call: CallItem) => call.agent !== AGENT
