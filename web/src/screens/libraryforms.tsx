// What somebody does with an approved version: rate it, or begin a prompt of their own from it.
import { SegmentedControl, Stack, TextInput } from '@mantine/core'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { postPromptsVersions, putLibraryMark } from '../api/sdk.gen'
import type { Approved } from '../api/types.gen'
import { FormDialog, useChange } from '../parts/FormDialog'
import { partOf } from './promptsearch'

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

export function Fork({ one, close }: { one: Approved; close: () => void }) {
  const { slug } = useParams({ from: '/o/$slug/library' })
  const navigate = useNavigate()
  const { busy, problem, send } = useChange('library', 'prompts')
  const [key, setKey] = useState('')
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
      </Stack>
    </FormDialog>
  )
}
