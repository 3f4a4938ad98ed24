// What the addresses of the list of prompts and of one prompt say, and how a key stands in a path. A key is any text:
// every sign in it is escaped there, and so is what would be another page (`..`, `builder`).
import { type RangeSearch, rangeOf } from '../range'
import { flagOf } from '../search'

export type PromptsSearch = RangeSearch & { q?: string; new?: true; sort?: string }

const ACTS = ['version', 'words', 'forget'] as const
export type Act = (typeof ACTS)[number]
export type PromptSearch = RangeSearch & { act?: Act; sort?: string }

const SORT = /^-?\w+$/
const PAGES = ['builder', '.', '..']

export function promptsOf(search: Record<string, unknown>): PromptsSearch {
  const found: PromptsSearch = rangeOf(search)
  if (search.q !== undefined && search.q !== '') found.q = String(search.q)
  if (search.new === true) found.new = true
  if (typeof search.sort === 'string' && SORT.test(search.sort)) found.sort = search.sort
  return found
}

export function promptOf(search: Record<string, unknown>): PromptSearch {
  const found: PromptSearch = rangeOf(search)
  const act = ACTS.find((one) => one === search.act)
  if (act) found.act = act
  if (typeof search.sort === 'string' && SORT.test(search.sort)) found.sort = search.sort
  return found
}

/** The overview's address: its days, and the prompt whose versions are compared over it. */
/** `prompt`: whose versions are open; `more`: the lists that a first glance leaves out. */
export type OverviewSearch = RangeSearch & { prompt?: string; more?: true }

export function overviewOf(search: Record<string, unknown>): OverviewSearch {
  const { prompt } = search
  return {
    ...rangeOf(search),
    ...(prompt === undefined || prompt === '' ? {} : { prompt: String(prompt) }),
    ...flagOf(search, 'more'),
  }
}

/** A key as the last part of a path. Signs are written `~2F`, not `%2F`, which routers and proxies take for a slash. */
export function partOf(key: string): string {
  const escaped = (text: string) =>
    [...new TextEncoder().encode(text)]
      .map((byte) => `~${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join('')
  const part = key.replace(/[^\p{L}\p{N}._-]/gu, escaped)
  return PAGES.includes(part) ? escaped(part.charAt(0)) + part.slice(1) : part
}

export function keyOf(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('%', '%25').replaceAll('~', '%'))
  } catch {
    return part
  }
}
