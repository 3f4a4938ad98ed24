// What somebody does about the library: propose a version; rate an approved one, begin a prompt of their own from it, withdraw it.
import { Autocomplete, Group, SegmentedControl, Stack, Textarea, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import {
  deleteLibrary,
  getPrompts,
  getPromptsOne,
  postLibrary,
  postPromptsVersions,
  putLibraryMark,
} from '../api/sdk.gen'
import type { Approved } from '../api/types.gen'
import { Confirm } from '../parts/Confirm'
import { FormDialog, useChange } from '../parts/FormDialog'
import { Fault } from '../parts/states'
import { partOf } from './promptsearch'

/** The lists that change with the library. */
export const ABOUT = ['library', 'prompts']

const TYPED_MS = 300
const NONE = 'none'
const STARS = [NONE, '1', '2', '3', '4', '5'].map((value) => ({
  value,
  label: value === NONE ? 'No rating' : `${value} ★`,
}))

export const placeOf = ({ prompt_key, version }: Approved) => ({ prompt_key, version })

export function Rate({ one, close }: { one: Approved; close: () => void }) {
  const { busy, problem, send } = useChange('library')
  const [stars, setStars] = useState(one.stars === null ? NONE : String(one.stars))
  const submit = () =>
    send(
      () =>
        putLibraryMark({
          body: { ...placeOf(one), pinned: one.pinned, stars: stars === NONE ? null : Number(stars) },
          throwOnError: true,
        }),
      stars === NONE ? 'Your rating is taken back.' : 'Rated.',
      close,
    )
  return (
    <FormDialog
      title={`Rate ${one.prompt_key} ${one.version}`}
      verb="Rate"
      {...{ busy, problem, close, submit }}
    >
      <Stack gap="xs">
        <p className="soft">
          Five stars are best. Everybody sees the mean and of how many people it is, not who said what.
        </p>
        <SegmentedControl aria-label="Stars" fullWidth data={STARS} value={stars} onChange={setStars} />
      </Stack>
    </FormDialog>
  )
}

function useVersions(key: string, enabled: boolean) {
  return useQuery({
    queryKey: ['prompts', 'versions', key],
    queryFn: async () =>
      (await getPromptsOne({ query: { prompt_key: key }, throwOnError: true })).data.version_list,
    enabled,
    retry: false,
  })
}

export function Fork({ one, close }: { one: Approved; close: () => void }) {
  const { slug } = useParams({ from: '/o/$slug/library' })
  const navigate = useNavigate()
  const { busy, problem, send } = useChange(...ABOUT)
  const [key, setKey] = useState('')
  const [named] = useDebouncedValue(key.trim(), TYPED_MS)
  const there = useVersions(named, named !== '')
  const submit = () =>
    send(
      () =>
        postPromptsVersions({
          body: {
            prompt_key: key.trim(),
            model: one.model,
            temperature: one.temperature,
            max_tokens: one.max_tokens,
            note: `Forked from ${one.prompt_key} ${one.version}${one.sha256 ? `, text ${one.sha256}` : ''}`,
          },
          throwOnError: true,
        }),
      'Forked.',
      () => navigate({ to: '/o/$slug/prompts/$key', params: { slug, key: partOf(key.trim()) } }),
    )
  return (
    <FormDialog
      title={`Fork ${one.prompt_key} ${one.version}`}
      verb="Fork"
      {...{ busy, problem, close, submit }}
    >
      <Stack gap="sm">
        <p className="soft">
          A prompt of your own begins with the same model and settings; its note says where it comes from. The
          text is not kept here: take it from {one.owner}.
        </p>
        <TextInput
          label="Key of the new prompt"
          placeholder={`${one.prompt_key}-mine`}
          required
          maxLength={256}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          data-autofocus
        />
        {there.data && named === key.trim() && (
          <p className="soft" role="status">
            A prompt {named} is there already, with {there.data.length}{' '}
            {there.data.length === 1 ? 'version' : 'versions'}: this adds one to it, which is not active.
          </p>
        )}
      </Stack>
    </FormDialog>
  )
}

export function Propose({ close }: { close: () => void }) {
  const { busy, problem, send } = useChange(...ABOUT)
  const [key, setKey] = useState('')
  const [version, setVersion] = useState('')
  const prompts = useQuery({
    queryKey: ['prompts', 'keys', key],
    queryFn: async () =>
      (await getPrompts({ query: { contains: key, limit: 20 }, throwOnError: true })).data.items
        .filter((one) => one.versions > 0)
        .map((one) => one.prompt_key),
  })
  const versions = useVersions(key, prompts.data?.includes(key) ?? false)
  const submit = (text: (name: string) => string, filled: FormData) =>
    send(
      () =>
        postLibrary({
          body: {
            prompt_key: key.trim(),
            version: version.trim(),
            owner: text('owner'),
            purpose: text('purpose'),
            text: String(filled.get('text') ?? ''), // the hash is of exactly this, spaces and all
          },
          throwOnError: true,
        }),
      (status) =>
        status === 202
          ? 'Proposed. An owner, an admin or a manager approves it.'
          : 'It stands in the library: nobody else could have approved it.',
      close,
    )
  return (
    <FormDialog
      title="Propose a version for the library"
      verb="Propose"
      size="md"
      {...{ busy, problem, close, submit }}
    >
      <Group grow align="flex-start">
        <Autocomplete
          label="Prompt"
          value={key}
          onChange={setKey}
          data={prompts.data ?? []}
          required
          maxLength={256}
        />
        <Autocomplete
          label="Version"
          value={version}
          onChange={setVersion}
          data={
            versions.data?.flatMap((one) => (one.registered && one.version !== null ? [one.version] : [])) ??
            []
          }
          required
          maxLength={256}
        />
      </Group>
      <TextInput label="Owner" name="owner" placeholder="Whom to ask about it" required maxLength={256} />
      <TextInput label="For" name="purpose" placeholder="What others may use it for" maxLength={2000} />
      <Textarea
        label="Text"
        name="text"
        description="Only its SHA-256 is kept: by it anybody can tell that a text is this one."
        autosize
        minRows={3}
        maxRows={10}
        maxLength={40_000}
      />
    </FormDialog>
  )
}

export function Withdraw({ one, close }: { one: Approved; close: () => void }) {
  const { busy, problem, send } = useChange(...ABOUT)
  return (
    <Confirm
      title="Withdraw from the library"
      name={one.prompt_key}
      verb="Withdraw version"
      busy={busy}
      close={close}
      go={() =>
        send(
          () =>
            deleteLibrary({
              query: { prompt_key: one.prompt_key, version: one.version },
              throwOnError: true,
            }),
          'Withdrawn. Its calls go on.',
          close,
        )
      }
      fault={problem !== null && <Fault problem={problem} />}
    >
      Version {one.version} stands in the library no longer. Nothing stops its calls; the ledger says who
      withdrew it.
    </Confirm>
  )
}
