// What a page shows, for somebody else: its address, and for programs the same question to the API.
import { Button, Menu, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconShare2 } from '@tabler/icons-react'
import { useState } from 'react'
import { Snippet } from './Copy'

export function Share({ path, asked }: { path: string; asked: Record<string, unknown> }) {
  const [shown, setShown] = useState(false)
  const copyLink = async () => {
    await navigator.clipboard.writeText(window.location.href)
    notifications.show({ message: 'The link is copied. It shows this view to whoever may see it.' })
  }
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconShare2 size={16} />}>
            Share
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={copyLink}>Copy link</Menu.Item>
          <Menu.Item onClick={() => setShown(true)}>As API call…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={shown} onClose={() => setShown(false)} title="This view as an API call" size="lg">
        <p className="soft">
          The same question, for a program. <code>TALLYSTICK_TOKEN</code> is a personal access token that may
          read figures.
        </p>
        <Snippet text={curlOf(path, asked, window.location.origin)} what="the call" />
      </Modal>
    </>
  )
}

/** In the words of a shell: every part of the question in quotes of its own. */
export function curlOf(path: string, asked: Record<string, unknown>, origin: string): string {
  const said = Object.entries(asked).flatMap(([name, value]) =>
    value === undefined ? [] : (Array.isArray(value) ? value : [value]).map((one) => `${name}=${one}`),
  )
  return [
    `curl -sG ${origin}${path}`,
    '-H "Authorization: Bearer $TALLYSTICK_TOKEN"',
    ...said.map((one) => `--data-urlencode '${one.replaceAll("'", `'\\''`)}'`),
  ].join(' \\\n  ')
}
