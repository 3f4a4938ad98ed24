// The first prompt of an onboarding, sent as any client of the gateway would send it: from this page, with a key, without the
// session's cookie. A call is told apart from those of one's own code by its agent, `console`.
import { clientOf } from './connect'

export const AGENT = 'console'
/** Whose key the provider sees: nobody's (the gateway's sandbox), one that is stored sealed, or one sent along each time. */
export const WAYS = {
  sandbox: 'Sandbox only',
  stored: 'Store it sealed',
  passed: 'Send it along each time',
} as const
export type Way = keyof typeof WAYS

type Shape = {
  path: (model: string) => string
  body: (model: string, prompt: string, limit: number) => object
  text: (body: never) => unknown
  headers?: { [name: string]: string }
  credential: (key: string) => { [name: string]: string }
}
type Choice = { message?: { content?: unknown } }

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })
const chat = (path: string, limited: string): Shape => ({
  path: () => path,
  body: (model, prompt, limit) => ({
    model,
    messages: [{ role: 'user', content: prompt }],
    [limited]: limit,
  }),
  text: ({ choices }: { choices?: Choice[] }) => choices?.[0]?.message?.content,
  credential: bearer,
})

const SHAPES = {
  openai: chat('/v1/chat/completions', 'max_completion_tokens'),
  anthropic: {
    path: () => '/v1/messages',
    body: (model, prompt, limit) => ({
      model,
      max_tokens: limit,
      messages: [{ role: 'user', content: prompt }],
    }),
    text: ({ content }: { content?: { text?: string }[] }) =>
      content?.map((part) => part.text ?? '').join(''),
    headers: { 'anthropic-version': '2023-06-01' },
    credential: (key) => ({ 'x-api-key': key }),
  },
  google: {
    path: (model) => `/v1beta/models/${encodeURIComponent(model)}:generateContent`,
    body: (_, prompt, limit) => ({
      contents: [{ parts: [{ text: prompt }] }],
      generationConfig: { maxOutputTokens: limit },
    }),
    text: ({ candidates }: { candidates?: { content?: { parts?: { text?: string }[] } }[] }) =>
      candidates?.[0]?.content?.parts?.map((part) => part.text ?? '').join(''),
    credential: (key) => ({ 'x-goog-api-key': key }),
  },
  mistral: chat('/proxy/mistral/v1/chat/completions', 'max_tokens'),
  groq: chat('/proxy/groq/openai/v1/chat/completions', 'max_completion_tokens'),
} satisfies { [provider: string]: Shape }

export type ProviderId = keyof typeof SHAPES
/** `model`: the one that the connect page's lines for that provider name. */
export const PROVIDERS: { [id in ProviderId]: { name: string; model: string; keys: string } } = {
  openai: { name: 'OpenAI', model: modelOf('openai-python'), keys: 'sk-…' },
  anthropic: { name: 'Anthropic', model: modelOf('anthropic-python'), keys: 'sk-ant-…' },
  google: { name: 'Google Gemini', model: modelOf('google-python'), keys: 'AIza…' },
  mistral: { name: 'Mistral', model: modelOf('mistral-python'), keys: '' },
  groq: { name: 'Groq', model: modelOf('groq-python'), keys: 'gsk_…' },
}

function modelOf(client: string): string {
  return clientOf(client)?.forms[0]?.model ?? ''
}

export type Asked = {
  provider: ProviderId
  model: string
  prompt: string
  limit: number
  key: string
  way: Way
  /** The provider's own, where it is sent along. */
  credential?: string
}

/** Where it goes and what is sent. */
export function requestOf(asked: Asked): { path: string; headers: { [name: string]: string }; body: string } {
  const shape: Shape = SHAPES[asked.provider]
  const passed = asked.way === 'passed' && asked.credential
  return {
    path: shape.path(asked.model),
    headers: {
      'Content-Type': 'application/json',
      'X-Tallystick-Agent': AGENT,
      ...(shape.headers ?? {}),
      ...(passed
        ? { 'X-Tallystick-Key': asked.key, ...shape.credential(passed) }
        : shape.credential(asked.key)),
      ...(asked.way === 'sandbox' ? { 'X-Tallystick-Sandbox': 'true' } : {}),
    },
    body: JSON.stringify(shape.body(asked.model, asked.prompt, asked.limit)),
  }
}

export type Answered = { status: number; text: string; request: string | null; took_ms: number }

/** The answer's words, or those of the refusal; the gateway's id of it either way. Throws where nobody answers. */
export async function ask(asked: Asked): Promise<Answered> {
  const { path, headers, body } = requestOf(asked)
  const began = performance.now()
  const answer = await fetch(path, { method: 'POST', headers, body, credentials: 'omit', redirect: 'error' })
  const said = await answer.text()
  return {
    status: answer.status,
    text: answer.ok ? textOf(asked.provider, said) : refusalOf(said),
    request: answer.headers.get('x-tallystick-request-id'),
    took_ms: Math.round(performance.now() - began),
  }
}

export function textOf(provider: ProviderId, body: string): string {
  try {
    const shape: Shape = SHAPES[provider]
    const text = shape.text(JSON.parse(body) as never)
    return typeof text === 'string' ? text : ''
  } catch {
    return ''
  }
}

/** What an error says, in whichever of the providers' shapes it came. */
export function refusalOf(body: string): string {
  try {
    const said = JSON.parse(body) as {
      error?: { message?: string } | string
      message?: string
      detail?: string
    }
    const error = typeof said.error === 'string' ? said.error : said.error?.message
    return error ?? said.message ?? said.detail ?? body.slice(0, 400)
  } catch {
    return body.slice(0, 400)
  }
}
