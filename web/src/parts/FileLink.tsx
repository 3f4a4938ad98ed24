// A file that the server writes while it is read: all rows of a view, however many there are.
import { Button } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'

export type Asked = Record<string, string | undefined>

/** The address of a file; what is not said is left out of it. */
export function fileAddress(path: string, asked: Asked = {}): string {
  const said = Object.entries(asked).filter((one): one is [string, string] => Boolean(one[1]))
  return said.length ? `${path}?${new URLSearchParams(said)}` : path
}

export function FileLink({
  path,
  asked,
  children,
  label,
}: {
  path: string
  asked?: Asked
  children: string
  label?: string
}) {
  return (
    <Button
      component="a"
      href={fileAddress(path, asked)}
      download
      variant="default"
      leftSection={<IconDownload size={16} aria-hidden />}
      aria-label={label}
    >
      {children}
    </Button>
  )
}
