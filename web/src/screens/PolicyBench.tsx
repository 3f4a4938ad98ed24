// The test bench: a pasted request and whose key sends it; what policies would say of it. Nothing is sent anywhere.
import { Button, Group, Select, Stack, Textarea } from '@mantine/core'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { postPoliciesBench } from '../api/sdk.gen'
import type { Benched, SaidAlone } from '../api/types.gen'
import { Unreadable, writtenOf } from '../bench'
import { grouped, money } from '../money'
import { Book } from '../parts/Book'
import { Fact } from '../parts/Figure'
import { Page, Section } from '../parts/Page'
import { useKeyChoices } from '../parts/ScopeFields'
import { Fault } from '../parts/states'
import { kindOf, onText } from '../policies'

const EXAMPLE = `POST /v1/chat/completions
Content-Type: application/json

{"model": "gpt-4o", "max_tokens": 4000,
 "messages": [{"role": "user", "content": "Hello"}]}`

type Said = Pick<Benched, 'verdict' | 'code' | 'model' | 'output_limit' | 'warnings' | 'counts'>
type Read = {
  provider: string
  operation: string
  model: string | null
  output_limit: number | null
  body_bytes: number
  labels: Record<string, string>
  expected_nanos: string | null
}

export default function PolicyBench() {
  const { key } = useSearch({ from: '/o/$slug/policies/bench' })
  const { slug } = useParams({ from: '/o/$slug/policies/bench' })
  const navigate = useNavigate({ from: '/o/$slug/policies/bench' })
  const keys = useKeyChoices()
  const [text, setText] = useState(EXAMPLE)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const [found, setFound] = useState<Benched | null>(null)
  const attempt = async () => {
    setBusy(true)
    setProblem(null)
    try {
      const body = { ...writtenOf(text), key_id: key ?? '' } as Parameters<
        typeof postPoliciesBench
      >[0]['body']
      setFound((await postPoliciesBench({ body, throwOnError: true })).data)
    } catch (fault) {
      setFound(null)
      setProblem(fault)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Page
      title="Test bench"
      question="What would policies say of this request?"
      actions={
        <Link to="/o/$slug/policies" params={{ slug }}>
          All policies
        </Link>
      }
    >
      <div className="two editor">
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (key) attempt()
          }}
        >
          <Stack>
            <Select
              label="Sent with the key"
              data={keys.data ?? []}
              value={key ?? null}
              onChange={(id) => navigate({ search: id ? { key: id } : {}, replace: true })}
              placeholder={keys.isPending ? 'Loading' : 'Whose call it is'}
              searchable
              required
            />
            <Textarea
              label="Request"
              description="As HTTP writes it, or a curl command. Credentials in it stay in your browser."
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              autosize
              minRows={9}
              maxRows={24}
              styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12.5 } }}
              spellCheck={false}
              required
            />
            <Group>
              <Button type="submit" loading={busy} disabled={!key}>
                Try it
              </Button>
              <span className="label">Nobody is called, nothing is booked or counted.</span>
            </Group>
          </Stack>
        </form>
        <section aria-label="What policies say" aria-live="polite">
          {problem instanceof Unreadable ? (
            <p className="said" role="alert">
              {problem.message}
            </p>
          ) : problem !== null ? (
            <Fault problem={problem} />
          ) : found ? (
            <Answer found={found} slug={slug} />
          ) : (
            <p className="soft">
              The answer says which policy would refuse or change it, and what each of the others says of it.
            </p>
          )}
        </section>
      </div>
    </Page>
  )
}

function Answer({ found, slug }: { found: Benched; slug: string }) {
  const read = found.read as Read | null
  return (
    <>
      <p className="verdict" data-verdict={found.verdict}>
        <Verdict said={found} />
      </p>
      {found.message && <p className="said">{found.message}</p>}
      {read && (
        <Section title="Read as">
          <dl className="facts">
            <Fact name="Model">{read.model}</Fact>
            <Fact name="Provider">
              {read.provider}, {read.operation.replaceAll('_', ' ')}
            </Fact>
            <Fact name="Output limit">
              {read.output_limit === null ? 'none stated' : `${grouped(read.output_limit)} tokens`}
            </Fact>
            <Fact name="Costs at most">{read.expected_nanos && money(String(read.expected_nanos))}</Fact>
            <Fact name="Booked on">
              {Object.entries(read.labels)
                .map(([name, value]) => `${name.replace('_', ' ')} ${value}`)
                .join(', ') || 'the organisation alone'}
            </Fact>
          </dl>
        </Section>
      )}
      {read && (
        <Section title="Each policy, alone" end="in the order in which they are asked">
          {found.policies.length ? (
            <Book
              caption="Each policy"
              rows={found.policies}
              id={(one) => String(one.policy)}
              columns={[
                {
                  id: 'policy',
                  title: 'Policy',
                  value: (one) => one.name || kindOf(one.kind).name,
                  shown: (one) => (
                    <Link to="/o/$slug/policies/$id" params={{ slug, id: String(one.policy) }}>
                      {one.name || kindOf(one.kind).name}
                    </Link>
                  ),
                },
                { id: 'on', title: 'On', value: (one) => onText(one.on), wide: true },
                {
                  id: 'says',
                  title: 'Says',
                  value: (one) => one.verdict,
                  shown: (one) => (
                    <>
                      <Verdict said={one} />
                      <Acts one={one} />
                    </>
                  ),
                },
              ]}
            />
          ) : (
            <p className="state soft">No policy is on such a call.</p>
          )}
        </Section>
      )}
    </>
  )
}

const VERDICTS = { refused: 'Refused', changed: 'Changed', warned: 'Warned', passes: 'Passes' } as const
const INKS = { refused: 'tag red', changed: 'tag amber', warned: 'tag amber', passes: 'tag green' } as const

function Verdict({ said }: { said: Said }) {
  const told = [
    said.code,
    said.model && `model ${said.model}`,
    said.output_limit !== null && `output limit ${said.output_limit}`,
    ...said.warnings,
    ...said.counts.map((count) => `if there is room in ${count}`),
  ].filter(Boolean)
  return (
    <>
      <span className={INKS[said.verdict]}>{VERDICTS[said.verdict]}</span>
      {told.length > 0 && <span className="soft"> {told.join(', ')}</span>}
    </>
  )
}

/** Where it would say so and does not do so. */
function Acts({ one }: { one: SaidAlone }) {
  const why = one.bypassed ? 'passed by' : one.mode === 'observe' ? 'only observes' : ''
  return why && one.verdict !== 'passes' ? <span className="tag">{why}</span> : null
}
