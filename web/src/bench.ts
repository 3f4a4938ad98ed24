// A request as somebody pastes it: as HTTP writes it (a line, headers, an empty line, a body), or as a curl command.

export type Written = { method: string; path: string; headers: Record<string, string>; body: string }

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']
/** Whose call it is is chosen, so credentials stay in the browser. */
const CREDENTIALS = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-tallystick-key',
  'x-provider-key',
  'cookie',
])

export class Unreadable extends Error {}

export function writtenOf(text: string): Written {
  const said = text.trim()
  if (!said) throw new Unreadable('Paste a request.')
  const found = said.startsWith('curl') ? ofCurl(said) : ofHttp(said)
  if (!METHODS.includes(found.method))
    throw new Unreadable(`${found.method} is no method that is served here.`)
  const headers = Object.fromEntries(
    Object.entries(found.headers).filter(([name]) => !CREDENTIALS.has(name.toLowerCase())),
  )
  return { ...found, headers, path: pathOf(found.path) }
}

function ofHttp(text: string): Written {
  const [head = '', ...rest] = text.split(/\r?\n\r?\n/)
  const [line = '', ...lines] = head.split(/\r?\n/)
  const found = /^(?:([A-Za-z]+)\s+)?(\S+)(?:\s+HTTP\/[\d.]+)?$/.exec(line.trim())
  if (!found?.[2]) throw new Unreadable('The first line says where it goes: POST /v1/chat/completions.')
  const body = rest.join('\n\n').trim()
  return {
    method: found[1]?.toUpperCase() ?? (body ? 'POST' : 'GET'),
    path: found[2],
    headers: Object.fromEntries(lines.filter((one) => one.trim()).map(headerOf)),
    body,
  }
}

function headerOf(line: string): [string, string] {
  const at = line.indexOf(':')
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(line.slice(0, Math.max(at, 0)).trim()))
    throw new Unreadable(`“${line}” is no header; the body comes after an empty line.`)
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
}

function ofCurl(text: string): Written {
  const words = wordsOf(text.replace(/\\\r?\n/g, ' ')).slice(1)
  const found: Written = { method: '', path: '', headers: {}, body: '' }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '-H' || word === '--header') {
      const [name, value] = headerOf(words[++at] ?? '')
      found.headers[name] = value
    } else if (word === '-X' || word === '--request') found.method = (words[++at] ?? '').toUpperCase()
    else if (['-d', '--data', '--data-raw', '--data-binary', '--json'].includes(word))
      found.body = words[++at] ?? ''
    else if (word === '--url') found.path = words[++at] ?? ''
    else if (!word.startsWith('-')) found.path = word
  }
  if (!found.path) throw new Unreadable('The command names no address.')
  if (found.body.startsWith('@')) throw new Unreadable('Put the body itself where the command names a file.')
  return { ...found, method: found.method || (found.body ? 'POST' : 'GET') }
}

/** As a shell parts them: quotes keep together, a backslash takes the next character as it is. */
function wordsOf(text: string): string[] {
  const words: string[] = []
  const pattern = /(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/gs
  for (const [word] of text.matchAll(pattern))
    words.push(
      word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs, (_, plain, quoted, escaped) =>
        plain !== undefined ? plain : quoted !== undefined ? quoted.replace(/\\(["\\$`])/g, '$1') : escaped,
      ),
    )
  return words
}

function pathOf(address: string): string {
  const path = address.replace(/^https?:\/\/[^/]+/, '') || '/'
  if (!path.startsWith('/')) throw new Unreadable(`“${address}” is no path; it begins with a slash.`)
  return path
}
