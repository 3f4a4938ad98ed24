// Registering a prompt, saying something of it, adding a version, and forgetting what was registered.
import { Autocomplete, Group, NumberInput, Switch, TagsInput, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { deletePrompts, getExploreValues, postPromptsVersions, putPrompts } from '../api/sdk.gen'
import type { OnePrompt } from '../api/types.gen'
import { Confirm } from '../parts/Confirm'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Fault } from '../parts/states'

export const KEEPERS = ['owner', 'admin', 'manager', 'member'] as const
const TAGS_MAX = 20

export function RegisterPrompt({ close, made }: { close: () => void; made: (key: string) => void }) {
  const { busy, problem, send } = useChange('prompts')
  const [tags, setTags] = useState<string[]>([])
  return (
    <FormDialog
      size="md"
      title="Register a prompt"
      verb="Register prompt"
      busy={busy}
      problem={problem}
      close={close}
      submit={(text) =>
        send(
          () =>
            putPrompts({
              body: { prompt_key: text('key'), note: text('note'), owner: text('owner'), tags },
              throwOnError: true,
            }),
          'Registered. Calls that name it are counted here.',
          () => made(text('key')),
        )
      }
    >
      <TextInput
        label="Key"
        name="key"
        description="What calls name in X-Tallystick-Prompt-Key."
        placeholder="support/summary"
        required
        maxLength={256}
        data-autofocus
      />
      <Words tags={tags} setTags={setTags} />
    </FormDialog>
  )
}

export function ChangeWords({ prompt, close }: { prompt: OnePrompt; close: () => void }) {
  const { busy, problem, send } = useChange('prompts')
  const [tags, setTags] = useState(prompt.tags)
  return (
    <FormDialog
      size="md"
      title={`What is said of ${prompt.prompt_key}`}
      verb="Save"
      busy={busy}
      problem={problem}
      close={close}
      submit={(text) =>
        send(
          () =>
            putPrompts({
              body: { prompt_key: prompt.prompt_key, note: text('note'), owner: text('owner'), tags },
              throwOnError: true,
            }),
          'Saved.',
          close,
        )
      }
    >
      <Words prompt={prompt} tags={tags} setTags={setTags} />
    </FormDialog>
  )
}

function Words({
  prompt,
  tags,
  setTags,
}: {
  prompt?: OnePrompt
  tags: string[]
  setTags: (tags: string[]) => void
}) {
  return (
    <>
      <TextInput
        label="Owner"
        name="owner"
        defaultValue={prompt?.owner}
        placeholder="Whom to ask about it"
        maxLength={256}
      />
      <TagsInput
        label="Tags"
        value={tags}
        onChange={setTags}
        maxTags={TAGS_MAX}
        placeholder={tags.length ? undefined : 'A word, then Enter'}
      />
      <Textarea label="Note" name="note" defaultValue={prompt?.note} autosize minRows={2} maxLength={2000} />
    </>
  )
}

export function AddVersion({ prompt, close }: { prompt: OnePrompt; close: () => void }) {
  const { busy, problem, send } = useChange('prompts')
  const [active, setActive] = useState(prompt.active_version === null)
  const [model, setModel] = useState('')
  const [maxTokens, setMaxTokens] = useState<number | string>('')
  const models = useQuery({
    queryKey: ['explore', 'values', 'model'],
    queryFn: async () =>
      (await getExploreValues({ query: { dimension: 'model' }, throwOnError: true })).data.values,
  })
  return (
    <FormDialog
      size="md"
      title={`Add a version of ${prompt.prompt_key}`}
      verb="Add version"
      busy={busy}
      problem={problem}
      close={close}
      submit={(text) =>
        send(
          () =>
            postPromptsVersions({
              body: {
                prompt_key: prompt.prompt_key,
                ...(text('version') ? { version: text('version') } : {}),
                ...(model.trim() ? { model: model.trim() } : {}),
                ...(text('temperature') ? { temperature: text('temperature') } : {}),
                ...(maxTokens === '' ? {} : { max_tokens: Number(maxTokens) }),
                note: text('note'),
                active,
              },
              throwOnError: true,
            }),
          active
            ? 'Added, and active: calls that name no version are booked on it from now on.'
            : 'Added. Calls that name it are booked on it.',
          close,
        )
      }
    >
      <Group grow align="flex-start">
        <TextInput
          label="Version"
          name="version"
          placeholder="The next number"
          maxLength={256}
          data-autofocus
        />
        <Autocomplete
          label="Model"
          value={model}
          onChange={setModel}
          data={models.data ?? []}
          limit={20}
          maxLength={256}
        />
      </Group>
      <Group grow align="flex-start">
        <TextInput
          label="Temperature"
          name="temperature"
          inputMode="decimal"
          placeholder="0.7"
          pattern="\d{1,3}(\.\d{1,6})?"
          title="A number such as 0.7"
        />
        <NumberInput
          label="Most output tokens"
          value={maxTokens}
          onChange={setMaxTokens}
          min={1}
          max={10_000_000}
          allowDecimal={false}
          hideControls
        />
      </Group>
      <Textarea
        label="Note"
        name="note"
        placeholder="What is different in it"
        autosize
        minRows={2}
        maxLength={2000}
      />
      <Switch
        label="Active: calls that name the prompt and no version are booked on it"
        checked={active}
        onChange={(event) => setActive(event.currentTarget.checked)}
      />
    </FormDialog>
  )
}

export function ForgetPrompt({
  prompt,
  close,
  gone,
}: {
  prompt: OnePrompt
  close: () => void
  gone: () => void
}) {
  const { busy, problem, send } = useChange('prompts')
  return (
    <Confirm
      title="Forget what was registered"
      name={prompt.prompt_key}
      verb="Forget prompt"
      busy={busy}
      close={close}
      go={() =>
        send(
          () => deletePrompts({ query: { prompt_key: prompt.prompt_key }, throwOnError: true }),
          'Forgotten. Its calls stay what they are.',
          gone,
        )
      }
      fault={problem !== null && <Fault problem={problem} />}
    >
      Its versions, its note, owner and tags go, and no version is active any more. What its calls cost stays,
      under the same key.
    </Confirm>
  )
}
