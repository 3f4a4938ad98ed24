// The pages of the manual that help shows, and what of them speaks of an error that somebody pastes. They are made from
// docs/practices.md, docs/troubleshooting.md and from the gateway's own tables (docs/reference/manual.json), so that nothing is said twice.
import document from '../../docs/reference/manual.json'

export type Block = { text?: string; code?: string; table?: string[][] }
export type Section = { level: number; title: string; blocks: Block[] }
export type Hit = { section: string; code: string | null; block: Block }

export const MANUAL = document as unknown as {
  [page in 'practices' | 'troubleshooting' | 'headers' | 'refusals']: Section[]
}

/** A text of the manual in pieces: plain, code, strong; links are their words, for the manual is no part of the console. */
export type Piece = { kind: 'plain' | 'code' | 'strong'; text: string }

export function piecesOf(text: string): Piece[] {
  const plain = text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
  return plain
    .split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/)
    .filter((piece) => piece !== '')
    .map((piece) => {
      if (/^`.+`$/.test(piece)) return { kind: 'code', text: piece.slice(1, -1) }
      if (/^\*\*.+\*\*$/.test(piece)) return { kind: 'strong', text: piece.slice(2, -2) }
      return /^\*[^*].*\*$/.test(piece)
        ? { kind: 'strong', text: piece.slice(1, -1) }
        : { kind: 'plain', text: piece }
    })
}

const CODE = /`([a-z][a-z0-9_]{4,})`/g
const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/[a-z][a-z0-9_]{4,}/g))

/** What the manual says of the codes in a pasted error; where it has none of them, of its HTTP status. */
export function hitsOf(pasted: string): Hit[] {
  const words = wordsOf(pasted)
  const found: Hit[] = []
  for (const section of [...MANUAL.troubleshooting, ...MANUAL.refusals]) {
    for (const block of section.blocks) {
      const [head, ...rows] = block.table ?? []
      for (const row of rows) {
        const code = codeIn(row[0] ?? '', words)
        if (code && head) found.push({ section: section.title, code, block: { table: [head, row] } })
      }
      const code = block.text && section.level === 3 ? codeIn(block.text, words) : null
      if (code) found.push({ section: section.title, code, block })
    }
  }
  return found.length > 0 ? firstOfEach(found) : statusHits(pasted)
}

function codeIn(text: string, words: Set<string>): string | null {
  for (const [, code] of text.matchAll(CODE)) if (code?.includes('_') && words.has(code)) return code
  return null
}

/** The manual's own words of a code go before the table of all codes. */
function firstOfEach(hits: Hit[]): Hit[] {
  const seen = new Set<string>()
  return hits.filter(({ code }) => {
    if (code === null || seen.has(code)) return false
    seen.add(code)
    return true
  })
}

function statusHits(pasted: string): Hit[] {
  const statuses = new Set(pasted.match(/\b[45][0-9]{2}\b/g))
  return MANUAL.troubleshooting
    .filter(({ title }) => title.split(', ').some((status) => statuses.has(status)))
    .flatMap(({ title, blocks }) => blocks.map((block) => ({ section: title, code: null, block })))
}

/** The ids of calls in a pasted error. */
export const requestsIn = (pasted: string): string[] => [
  ...new Set(pasted.match(/req_[0-9a-f]{32}(?![0-9a-f])/g) ?? []),
]
