// The first prompt, sent from here as one's own code will send it.
import { Button, Group, Select, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { ask, PROVIDERS, type ProviderId, WAYS, type Way } from '../firstcall'
import { Said } from '../parts/Alone'
import type { StepProps } from './Welcome'
import { NoKey } from './welcomeprovider'

const PROMPT = 'Say hello to Tallystick in one sentence.'
const ANSWER_TOKENS = 300

export function PromptStep({ search, held, hold, go }: StepProps) {
  const way: Way = search.way ?? 'sandbox'
  const provider: ProviderId = search.provider ?? 'openai'
  const [prompt, setPrompt] = useState(PROMPT)
  const [model, setModel] = useState(PROVIDERS[provider].model)
  const [busy, setBusy] = useState(false)
  const [said, setSaid] = useState('')
  const bare = way === 'passed' && !held.credential

  const send = async () => {
    setBusy(true)
    setSaid('')
    try {
      const answered = await ask({
        provider,
        model: model.trim(),
        prompt,
        limit: ANSWER_TOKENS,
        key: held.key,
        way,
        credential: held.credential,
      })
      if (answered.status === 200 && answered.request) {
        hold({ answered })
        go({ step: 'result', request: answered.request })
      } else setSaid(`${answered.status}: ${answered.text}`)
    } catch {
      setSaid('The gateway does not answer. Is it running, and does this address lead to it?')
    } finally {
      setBusy(false)
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (held.key && !bare) send()
      }}
    >
      <h2>Send a first prompt</h2>
      <p className="soft prose">
        {way === 'sandbox'
          ? 'The sandbox answers in the provider’s own shape. The call stands in the ledger at a cost of nothing, with what it would have cost beside it.'
          : `A real call to ${PROVIDERS[provider].name}, with at most ${ANSWER_TOKENS} tokens of answer.`}
      </p>
      <Textarea
        label="Prompt"
        value={prompt}
        onChange={(event) => setPrompt(event.currentTarget.value)}
        autosize
        minRows={3}
        maxRows={10}
        maxLength={4000}
        required
        mt="md"
        autoFocus
      />
      <Group grow align="flex-start" mt="md">
        {way === 'sandbox' ? (
          <Select
            label="In the shape of"
            data={Object.entries(PROVIDERS).map(([value, { name }]) => ({ value, label: name }))}
            value={provider}
            onChange={(chosen) => {
              const whose = (chosen ?? provider) as ProviderId
              setModel(PROVIDERS[whose].model)
              go({ provider: whose === 'openai' ? undefined : whose })
            }}
            allowDeselect={false}
          />
        ) : (
          <TextInput
            label="Goes to"
            value={`${PROVIDERS[provider].name}, ${WAYS[way].toLowerCase()}`}
            readOnly
          />
        )}
        <TextInput
          label="Model"
          value={model}
          onChange={(event) => setModel(event.currentTarget.value)}
          required
          maxLength={200}
        />
      </Group>
      {!held.key && <NoKey />}
      {bare && <p className="soft">The provider’s key is to be typed again, one step back.</p>}
      <Said>{said}</Said>
      <div className="step-end">
        <Button type="submit" loading={busy} disabled={!held.key || bare}>
          Send it
        </Button>
        <Button variant="default" onClick={() => go({ step: 'provider' })}>
          Back
        </Button>
      </div>
    </form>
  )
}
