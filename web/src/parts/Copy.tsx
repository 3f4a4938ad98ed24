// Something to take along: a key, an id, a few runnable lines.
import { ActionIcon, Button, CopyButton, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'

export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${what}`}>
          <ActionIcon
            variant="subtle"
            color="gray"
            c="var(--ink-quiet)"
            aria-label={`Copy ${what}`}
            onClick={copy}
          >
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}

export function CopyThis({ text, children }: { text: string; children: string }) {
  return (
    <CopyButton value={text} timeout={2000}>
      {({ copied, copy }) => (
        <Button onClick={copy} leftSection={copied ? <IconCheck size={16} /> : <IconCopy size={16} />}>
          {copied ? 'Copied' : children}
        </Button>
      )}
    </CopyButton>
  )
}

export function Snippet({ text, what }: { text: string; what: string }) {
  return (
    <div className="snippet-box">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
      <pre className="snippet" tabIndex={0}>
        {text}
      </pre>
      <div className="copy">
        <Copy text={text} what={what} />
      </div>
    </div>
  )
}
