// What the help's address says: which part, and how far a client is pointed. A key is in no address.
import { clientOf } from '../connect'

export const PARTS = {
  start: 'Quick start',
  connect: 'Connect',
  headers: 'Headers',
  practices: 'Good practice',
  trouble: 'Troubleshooting',
  check: 'Check',
} as const
export type Part = keyof typeof PARTS

export const SAID = ['team', 'project', 'user', 'prompt', 'tags'] as const
export type HelpSearch = { part?: Part; client?: string; form?: string; model?: string; sandbox?: true } & {
  [name in (typeof SAID)[number]]?: string
}

export function helpOf(search: Record<string, unknown>): HelpSearch {
  const { part, client, sandbox } = search
  const texts = [...SAID, 'form', 'model'] as const
  return {
    ...(typeof part === 'string' && part !== 'start' && Object.hasOwn(PARTS, part)
      ? { part: part as Part }
      : {}),
    ...(typeof client === 'string' && clientOf(client) ? { client } : {}),
    ...(sandbox === true ? { sandbox } : {}),
    ...Object.fromEntries(
      texts.flatMap((name) => {
        const value = search[name]
        return (typeof value === 'string' && value !== '') || typeof value === 'number'
          ? [[name, String(value).slice(0, 256)]]
          : []
      }),
    ),
  }
}
