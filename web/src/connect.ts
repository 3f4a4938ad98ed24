// How clients are pointed at the gateway: the texts of src/tallystick/connect/clients.toml with an address, a key and
// headers in them. What `tallystick.connect.filling` does for the commands is done here for the pages; both are held to
// tests/connect/filled.json. Every value becomes a literal of the text's language, so that none can be more than a value.
import document from '../../docs/reference/clients.json'

export type Form = {
  title: string
  language: string
  provider: string
  address: string
  model: string
  model_prefix: string
  body: string
  file: string | null
  tested: 'run' | 'read' | 'documented'
  text: string
}

export type Client = {
  id: string
  name: string
  group: 'http' | 'library' | 'framework' | 'tool'
  install: string | null
  command: string | null
  environment: { [variable: string]: string }
  unset: string[]
  https_only: boolean
  attribution: string
  caveats: string[]
  page: string
  forms: Form[]
}

export type Filling = {
  gateway: string
  key?: string
  /** Header names and their values, in order; a `Headers` object would forget how names are written. */
  headers?: { [name: string]: string }
  model?: string
  prompt?: string
  /** Numbers as text; left out, the text is without them. */
  maxTokens?: string
  temperature?: string
}

export const CLIENTS = document as unknown as Client[]

export const GROUPS: { [group in Client['group']]: string } = {
  library: 'Libraries',
  framework: 'Frameworks',
  http: 'HTTP',
  tool: 'Tools',
}

export const clientOf = (id: string): Client | undefined => CLIENTS.find((client) => client.id === id)

/** A value that cannot stand where it would have to; the message says which and why. */
export class Unfit extends Error {}

/** Why these values cannot be filled in, as a sentence; null where they can. */
export function unfit(filling: Filling): string | null {
  try {
    checked(filling)
    return null
  } catch (reason) {
    if (reason instanceof Unfit) return reason.message
    throw reason
  }
}

/** The form's text, ready to be pasted. Throws Unfit. */
export function filled(form: Form, filling: Filling): string {
  const asked = checked(filling)
  const values = valuesOf(form, asked)
  const literal = literalsOf(form.language)
  const headers = Object.entries(asked.headers)
  return linesOf(form.text)
    .flatMap((line) => {
      const [mark, rest] = [line[0], line.slice(1)]
      if (mark === '*')
        return headers.flatMap(([name, value]) =>
          put(rest, { ...values, name, value, header: `${name}: ${value}` }, literal),
        )
      return mark !== '?' || headers.length > 0 ? put(rest, values, literal) : []
    })
    .map((line) => `${line}\n`)
    .join('')
}

/** The client's variables; one that would carry headers is left out where there are none. */
export function environment(client: Client, filling: Filling): { [variable: string]: string } {
  const asked = checked(filling)
  const known: { [name: string]: string } = {
    '{gateway}': asked.gateway,
    '{key}': asked.key,
    '{headers}': asked.lines,
  }
  return Object.fromEntries(
    Object.entries(client.environment)
      .filter(([, template]) => asked.lines !== '' || !template.includes('{headers}'))
      .map(([name, template]) => [name, template.replace(/\{\w+\}/g, (found) => known[found] ?? found)]),
  )
}

/** The client's variables as lines of a POSIX shell. */
export function shellExports(client: Client, filling: Filling): string {
  const lines = Object.entries(environment(client, filling)).map(
    ([name, value]) => `export ${name}=${inShell(value)}\n`,
  )
  return lines.length === 0 ? '' : [...lines, ...client.unset.map((name) => `unset ${name}\n`)].join('')
}

type Asked = Required<Pick<Filling, 'gateway' | 'key' | 'headers' | 'prompt'>> & Filling & { lines: string }
type Values = { [name: string]: string | null | undefined }

const NUMBER = /^[0-9]{1,9}(\.[0-9]{1,9})?$/

function checked(filling: Filling): Asked {
  const { gateway, key = 'YOUR_KEY', headers = {}, prompt = 'Say hello' } = filling
  if (!/^https?:\/\/[!-~]+$/.test(gateway))
    throw new Unfit(`The gateway's address must begin with http:// or https://, not '${gateway}'.`)
  if (!/^[ -~]+$/.test(key)) throw new Unfit('A key is printable ASCII.')
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new Unfit(`'${name}' cannot be a header's name.`)
    if (value !== value.trim() || !/^[ -~]+$/.test(value))
      throw new Unfit(`${name}: clients send printable ASCII only; fix '${value}' on the key instead.`)
  }
  for (const number of [filling.maxTokens, filling.temperature])
    if (number !== undefined && !NUMBER.test(number)) throw new Unfit(`'${number}' is not a number.`)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return { ...filling, gateway: gateway.replace(/\/+$/, ''), key, headers, prompt, lines: lines.join('\n') }
}

function valuesOf(form: Form, asked: Asked): Values {
  const model = form.model_prefix + (asked.model || form.model)
  return {
    base_url: form.address.replace('{gateway}', asked.gateway),
    url: asked.gateway,
    key: asked.key,
    bearer: `Bearer ${asked.key}`,
    bearer_header: `Authorization: Bearer ${asked.key}`,
    model,
    prompt: asked.prompt,
    max_tokens: asked.maxTokens,
    temperature: asked.temperature,
    headers: asked.lines || null,
    body: form.body === '' ? null : bodyOf(form.body, model, asked),
  }
}

/** The line with its values, or nothing where one is missing. */
function put(line: string, values: Values, literal: (text: string) => string): string[] {
  let missing = false
  const text = line.replace(
    /«([a-z_]+)(?::([^»|]*))?(?:[|]([^»]*))?»/g,
    (_, name: string, path?: string, other?: string) => {
      const value = values[name] ?? other
      if (value === undefined) {
        missing = true
        return ''
      }
      if (name === 'url') return literal(value + (path ?? '').replace('{model}', encoded(values.model ?? '')))
      return name === 'max_tokens' || name === 'temperature' ? value : literal(value)
    },
  )
  return missing ? [] : [text]
}

/** The call as JSON, in the provider's shape. */
function bodyOf(shape: string, model: string, asked: Asked): string {
  const { maxTokens, temperature } = asked
  const prompt = inDoubleQuotes(asked.prompt)
  const named = `"model": ${inDoubleQuotes(model)}`
  const message = `"messages": [{"role": "user", "content": ${prompt}}]`
  const limit = (name: string) => (maxTokens === undefined ? [] : [`"${name}": ${maxTokens}`])
  const warm = temperature === undefined ? [] : [`"temperature": ${temperature}`]
  const limits = [...limit('maxOutputTokens'), ...warm].join(', ')
  const shapes: { [shape: string]: string[] } = {
    chat: [named, message, ...limit('max_completion_tokens'), ...warm],
    responses: [named, `"input": ${prompt}`, ...limit('max_output_tokens'), ...warm],
    messages: [named, `"max_tokens": ${maxTokens ?? 200}`, ...warm, message],
    gemini: [
      `"contents": [{"parts": [{"text": ${prompt}}]}]`,
      ...(limits === '' ? [] : [`"generationConfig": {${limits}}`]),
    ],
  }
  return `{${(shapes[shape] ?? []).join(', ')}}`
}

const linesOf = (text: string): string[] => text.replace(/\n$/, '').split('\n')

/** Percent-encoded as Python's `quote` does it with nothing safe. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)

const SHORT: { [mark: string]: string } = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to be hidden
const HIDDEN = /["\\\u0000-\u001f\u007f\u0085\u2028\u2029]/g

/** A string of JSON, and in this form also of Python, JavaScript, Go, TOML and YAML. */
export const inDoubleQuotes = (text: string): string =>
  `"${text.replace(HIDDEN, (mark) => SHORT[mark] ?? `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`

/** The same without a character beyond ASCII: which ones a Java compiler reads hangs on the machine. */
const inAscii = (text: string): string =>
  inDoubleQuotes(text).replace(
    /[\u0080-\uffff]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** A word of a POSIX shell. */
export function inShell(text: string): string {
  if (text.includes('\0')) throw new Unfit("A shell's word cannot hold a zero byte.")
  return `'${text.replaceAll("'", "'\\''")}'`
}

const inPhp = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function literalsOf(language: string): (text: string) => string {
  if (language === 'sh') return inShell
  if (language === 'php') return inPhp
  if (language === 'java') return inAscii
  return language === 'text' ? (text) => text : inDoubleQuotes
}
