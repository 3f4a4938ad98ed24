// Code that calls a provider directly, pasted; the same code going through the gateway, what was changed beside what was there.
import { Button, Group, Modal, SegmentedControl, Select, Stack, Textarea } from '@mantine/core'
import { useState } from 'react'
import { postPromptsImport } from '../api/sdk.gen'
import type { ImportedCode } from '../api/types.gen'
import { CopyThis } from '../parts/Copy'
import { Fault } from '../parts/states'
import { useDoing } from '../parts/useDoing'
import type { BuilderSearch } from './buildersearch'

const LANGUAGES = { python: 'Python', javascript: 'JavaScript or TypeScript', shell: 'Shell (curl)' } as const
type Language = keyof typeof LANGUAGES
const AUTO = 'auto'
const KINDS = {
  changed: 'Changed',
  kept: 'Left as it is',
  warning: 'Beware',
  unclear: 'Not understood',
} as const
const TONES = { changed: '', kept: '', warning: 'amber', unclear: 'accent' } as const
const MARKS = { same: ' ', gone: '−', new: '+' } as const
const SAID = { same: '', gone: 'removed: ', new: 'added: ' } as const
const CODE_MAX = 50_000

export function ImportCode({ search, close }: { search: BuilderSearch; close: () => void }) {
  const [code, setCode] = useState('')
  const [language, setLanguage] = useState<string>(AUTO)
  const [found, setFound] = useState<ImportedCode | null>(null)
  const { busy, problem, act } = useDoing()
  const go = async () => {
    await act(async () => {
      const { data } = await postPromptsImport({
        body: {
          code,
          gateway: window.location.origin,
          ...(language === AUTO ? {} : { language: language as Language }),
          prompt_key: search.prompt_key?.trim() ?? '',
          prompt_version: search.version?.trim() ?? '',
          tags: (search.tags ?? '')
            .split(',')
            .map((tag) => tag.trim())
            .filter(Boolean),
        },
        throwOnError: true,
      })
      setFound(data)
    })
  }
  return (
    <Modal opened onClose={close} title="Import code" size="xl">
      {found ? (
        <Result found={found} back={() => setFound(null)} />
      ) : (
        <Stack>
          <p className="soft">
            Paste code that calls OpenAI or Anthropic. It comes back going through this gateway, with the
            prompt key, version and tags of the form in its headers, and its key out of the environment. It is
            read, never run, and not kept.
          </p>
          <Textarea
            label="Code"
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            classNames={{ input: 'mono' }}
            autosize
            minRows={10}
            maxRows={20}
            maxLength={CODE_MAX}
            spellCheck={false}
            data-autofocus
          />
          <Select
            label="Language"
            data={[
              { value: AUTO, label: 'Whatever it is' },
              ...Object.entries(LANGUAGES).map(([value, label]) => ({ value, label })),
            ]}
            value={language}
            onChange={(chosen) => setLanguage(chosen ?? AUTO)}
            allowDeselect={false}
          />
          {problem !== null && <Fault problem={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button onClick={go} loading={busy} disabled={!code.trim()}>
              Rewrite
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}

function Result({ found, back }: { found: ImportedCode; back: () => void }) {
  const [shown, setShown] = useState('diff')
  return (
    <Stack>
      <p className="soft" role="status">
        {found.changed
          ? `Read as ${LANGUAGES[found.language]}. Set TALLYSTICK_KEY to a key of the gateway where it runs.`
          : found.notes.length
            ? `Read as ${LANGUAGES[found.language]}. Nothing had to be changed, or nothing could be; see why below.`
            : 'Nothing in it calls OpenAI or Anthropic, as far as it was understood. Choose its language if it was taken for another.'}
      </p>
      {found.notes.length > 0 && (
        <ul className="code-notes" aria-label="What was done">
          {found.notes.map((note) => (
            <li key={`${note.line} ${note.text}`}>
              <span className={`tag ${TONES[note.kind]}`}>{KINDS[note.kind]}</span>
              <span className="label nowrap">line {note.line}</span>
              <span>{note.text}</span>
            </li>
          ))}
        </ul>
      )}
      {found.changed && (
        <>
          <SegmentedControl
            aria-label="Shown"
            value={shown}
            onChange={setShown}
            data={[
              { value: 'diff', label: 'What changed' },
              { value: 'code', label: 'The new code' },
            ]}
          />
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
          <pre className="snippet diff" tabIndex={0}>
            {shown === 'code'
              ? found.code
              : found.diff.map((line, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a line of a text has no other name than its place
                  <span key={place} className={line.change}>
                    <span className="visually-hidden">{SAID[line.change]}</span>
                    <i aria-hidden>{MARKS[line.change]}</i> {line.text}
                    {'\n'}
                  </span>
                ))}
          </pre>
        </>
      )}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={back}>
          Other code
        </Button>
        {found.changed && <CopyThis text={found.code}>Copy the new code</CopyThis>}
      </Group>
    </Stack>
  )
}
