// The Prompt Builder: what a call is to be, and beside it the code that makes it, with what it would cost.
import {
  Autocomplete,
  Button,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  Switch,
  Textarea,
  TextInput,
} from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconFileImport } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { getPromptsEstimate } from '../api/sdk.gen'
import type { Estimate } from '../api/types.gen'
import { filled, unfit } from '../connect'
import { grouped } from '../money'
import { Snippet } from '../parts/Copy'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import {
  type BuilderSearch,
  builderOf,
  type Code,
  codesOf,
  headersOf,
  PROVIDERS,
  type ProviderName,
} from './buildersearch'
import { ImportCode } from './ImportCode'

const ESTIMATE_MS = 300
const PROMPT = 'Say hello'
const UNITS: { [unit: string]: string } = { input_text: 'Input', output_text: 'Output' }

export default function Builder() {
  const search = useSearch({ from: '/o/$slug/prompts/builder' })
  const { slug } = useParams({ from: '/o/$slug/prompts/builder' })
  const navigate = useNavigate({ from: '/o/$slug/prompts/builder' })
  const [key, setKey] = useState('')
  const set = (more: Partial<Record<keyof BuilderSearch, unknown>>) =>
    navigate({ search: (before: BuilderSearch) => builderOf({ ...before, ...more }), replace: true })
  const provider = search.provider ?? 'openai'
  const codes = codesOf(provider)
  const code = codes.find((one) => one.id === search.code) ?? codes[0]
  return (
    <Page
      title="Prompt Builder"
      question="What does a call look like in code, and what will it cost?"
      actions={
        <>
          <Link to="/o/$slug/prompts" params={{ slug }}>
            All prompts
          </Link>
          <Button
            variant="default"
            leftSection={<IconFileImport size={16} />}
            onClick={() =>
              navigate({ search: (before: BuilderSearch) => ({ ...before, import: true as const }) })
            }
          >
            Import code
          </Button>
        </>
      }
    >
      <div className="builder">
        <Asked search={search} provider={provider} code={code} set={set} keyText={key} setKey={setKey} />
        <div>
          {code && <Written search={search} code={code} codes={codes} set={set} keyText={key} slug={slug} />}
          {code && (
            <Costs search={search} provider={provider} model={search.model?.trim() || code.form.model} />
          )}
        </div>
      </div>
      {search.import && (
        <ImportCode
          search={search}
          close={() => navigate({ search: ({ import: _, ...before }: BuilderSearch) => before })}
        />
      )}
    </Page>
  )
}

type Setting = {
  search: BuilderSearch
  set: (more: Partial<Record<keyof BuilderSearch, unknown>>) => void
  keyText: string
}

function Asked({
  search,
  provider,
  code,
  set,
  keyText,
  setKey,
}: Setting & { provider: ProviderName; code: Code | undefined; setKey: (key: string) => void }) {
  const { data } = useEstimate(search, provider, search.model?.trim() || code?.form.model || '')
  return (
    <Stack gap="sm">
      <Group grow align="flex-start">
        <Select
          label="Provider"
          data={Object.entries(PROVIDERS).map(([value, label]) => ({ value, label }))}
          value={provider}
          onChange={(chosen) => set({ provider: chosen, model: undefined, code: undefined })}
          allowDeselect={false}
        />
        <Autocomplete
          label="Model"
          placeholder={code?.form.model}
          value={search.model ?? ''}
          onChange={(model) => set({ model })}
          data={data?.models ?? []}
          limit={30}
          maxLength={256}
        />
      </Group>
      <Group grow align="flex-start">
        <TextInput
          label="Temperature"
          inputMode="decimal"
          placeholder="The model’s own"
          value={search.temperature ?? ''}
          onChange={(event) => set({ temperature: event.currentTarget.value })}
        />
        <NumberInput
          label="Most output tokens"
          placeholder="No end"
          value={search.max_tokens ?? ''}
          onChange={(value) => set({ max_tokens: value === '' ? undefined : value })}
          min={1}
          max={9_999_999}
          allowDecimal={false}
          allowNegative={false}
          hideControls
        />
      </Group>
      <Textarea
        label="Prompt"
        placeholder={PROMPT}
        value={search.text ?? ''}
        onChange={(event) => set({ text: event.currentTarget.value })}
        autosize
        minRows={3}
        maxRows={12}
        maxLength={4_000}
      />
      <Group grow align="flex-start">
        <TextInput
          label="Prompt key"
          placeholder="support/summary"
          value={search.prompt_key ?? ''}
          onChange={(event) => set({ prompt_key: event.currentTarget.value })}
          maxLength={256}
        />
        <TextInput
          label="Version"
          placeholder="The active one"
          value={search.version ?? ''}
          onChange={(event) => set({ version: event.currentTarget.value })}
          maxLength={256}
        />
      </Group>
      <TextInput
        label="Feature tags"
        placeholder="beta, tier=gold"
        value={search.tags ?? ''}
        onChange={(event) => set({ tags: event.currentTarget.value })}
        maxLength={1_000}
      />
      <PasswordInput
        label="Key"
        description="Only for the code beside it; it is sent nowhere and stands in no address."
        placeholder="tsk_…"
        autoComplete="off"
        value={keyText}
        onChange={(event) => setKey(event.currentTarget.value)}
      />
      <Switch
        label="A real call, which the provider answers and charges"
        checked={search.real ?? false}
        onChange={(event) => set({ real: event.currentTarget.checked || undefined })}
      />
    </Stack>
  )
}

function Written({
  search,
  code,
  codes,
  set,
  keyText,
  slug,
}: Setting & { code: Code; codes: Code[]; slug: string }) {
  const filling = {
    gateway: window.location.origin,
    headers: headersOf(search),
    prompt: search.text?.trim() || PROMPT,
    ...(keyText.trim() ? { key: keyText.trim() } : {}),
    ...(search.model?.trim() ? { model: search.model.trim() } : {}),
    ...(search.max_tokens ? { maxTokens: String(search.max_tokens) } : {}),
    ...(search.temperature ? { temperature: search.temperature.replace(/\.$/, '') } : {}),
  }
  const fault = unfit(filling)
  return (
    <Section title="The code">
      <Select
        aria-label="Client"
        data={codes.map(({ id, title }) => ({ value: id, label: title }))}
        value={code.id}
        onChange={(chosen) => set({ code: chosen })}
        allowDeselect={false}
        my="sm"
        searchable={false}
      />
      {fault ? (
        <p className="state soft" role="alert">
          {fault}
        </p>
      ) : (
        <Snippet text={filled(code.form, filling)} what="the code" />
      )}
      <p className="label below">
        {code.client.install && (
          <>
            <code>{code.client.install}</code>.{' '}
          </>
        )}
        {keyText.trim() === '' && (
          <>
            Put a key in the place of <code>YOUR_KEY</code>:{' '}
            <Link to="/o/$slug/keys" params={{ slug }} search={{ new: true }}>
              create one
            </Link>
            .{' '}
          </>
        )}
        {search.real
          ? 'The provider answers, and what it costs is booked.'
          : 'In the sandbox it needs no provider’s account and costs nothing.'}
      </p>
    </Section>
  )
}

function useEstimate(search: BuilderSearch, provider: ProviderName, model: string) {
  const text = search.text?.trim() || PROMPT
  const [question] = useDebouncedValue(
    JSON.stringify({
      provider,
      model,
      // As much as the body of such a call takes.
      input_bytes: new TextEncoder().encode(
        JSON.stringify({ model, messages: [{ role: 'user', content: text }] }),
      ).length,
      ...(search.max_tokens ? { max_tokens: search.max_tokens } : {}),
    }),
    ESTIMATE_MS,
  )
  return useQuery({
    queryKey: ['prompts', 'estimate', question],
    queryFn: async () => (await getPromptsEstimate({ query: JSON.parse(question), throwOnError: true })).data,
    placeholderData: keepPreviousData,
    enabled: model !== '',
  })
}

function Costs({
  search,
  provider,
  model,
}: {
  search: BuilderSearch
  provider: ProviderName
  model: string
}) {
  const { data, error, refetch } = useEstimate(search, provider, model)
  return (
    <Section title="What a call may cost" end="an estimate">
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={3} />
      ) : (
        <Sum estimate={data} />
      )}
    </Section>
  )
}

type Line = {
  unit: string
  quantity: number | string
  rate_usd?: string
  per?: number
  amount_usd?: string
  unpriced?: true
}

function Sum({ estimate }: { estimate: Estimate }) {
  if (!estimate.known)
    return (
      <p className="state soft">
        No price is known for <code>{estimate.model}</code>. A call of it is booked as unpriced;{' '}
        <em>Prices</em> or <code>tallystick prices overrides set</code> give it one.
      </p>
    )
  return (
    <>
      <table className="book" data-estimate={estimate.cost_nanos}>
        <caption className="visually-hidden">What a call may cost</caption>
        <thead>
          <tr>
            <th scope="col">Tokens of</th>
            <th scope="col" className="number">
              Quantity
            </th>
            <th scope="col" className="number wide-only">
              Rate
            </th>
            <th scope="col" className="number">
              Amount
            </th>
          </tr>
        </thead>
        <tbody>
          {(estimate.lines as Line[]).map((line) => (
            <tr key={line.unit}>
              <td>{UNITS[line.unit] ?? line.unit}</td>
              <td className="number">{grouped(Number(line.quantity))}</td>
              <td className="number wide-only">
                {line.unpriced ? (
                  <span className="quiet">no price</span>
                ) : (
                  <>
                    ${line.rate_usd} <span className="quiet">/ {grouped(line.per ?? 1)}</span>
                  </>
                )}
              </td>
              <td className="number">{line.unpriced ? '–' : `$${line.amount_usd}`}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td>At most about</td>
            <td />
            <td className="wide-only" />
            <td className="number">
              <Money nanos={estimate.cost_nanos} />
            </td>
          </tr>
        </tfoot>
      </table>
      <p className="label below">
        Input tokens are guessed from the size of the request.{' '}
        {estimate.longest_output
          ? 'The request sets no end, so the output is the longest this model gives.'
          : 'The output is as long as the request allows; most answers are shorter.'}{' '}
        What is booked comes from the provider’s own count.
      </p>
    </>
  )
}
