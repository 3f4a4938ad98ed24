// What the address of the Prompt Builder says: the whole form but the key, which stands nowhere but in the field.
import { CLIENTS, type Client, type Form } from '../connect'

export const PROVIDERS = { openai: 'OpenAI', anthropic: 'Anthropic', google: 'Google' } as const
export type ProviderName = keyof typeof PROVIDERS

export type BuilderSearch = {
  provider?: ProviderName
  model?: string
  temperature?: string
  max_tokens?: number
  prompt_key?: string
  version?: string
  tags?: string
  text?: string
  real?: true
  code?: string
  import?: true
}

const NUMBER = /^\d{1,7}$/
const DECIMAL = /^\d{1,2}(\.\d{0,4})?$/ // also while it is typed
const TEXTS = { model: 256, prompt_key: 256, version: 256, tags: 1_000, text: 4_000, code: 80 } as const

export function builderOf(search: Record<string, unknown>): BuilderSearch {
  const found: BuilderSearch = {}
  const { provider, temperature, max_tokens } = search
  if (typeof provider === 'string' && Object.hasOwn(PROVIDERS, provider) && provider !== 'openai')
    found.provider = provider as ProviderName
  if (temperature !== undefined && DECIMAL.test(String(temperature))) found.temperature = String(temperature)
  if (max_tokens !== undefined && NUMBER.test(String(max_tokens)) && Number(max_tokens) > 0)
    found.max_tokens = Number(max_tokens)
  for (const [name, most] of Object.entries(TEXTS) as [keyof typeof TEXTS, number][]) {
    const value = search[name]
    if (value !== undefined && value !== '') found[name] = String(value).slice(0, most)
  }
  if (search.real === true) found.real = true
  if (search.import === true) found.import = true
  return found
}

export type Code = { id: string; title: string; client: Client; form: Form }

/** The texts of a provider: programs, no settings of tools. */
export function codesOf(provider: ProviderName): Code[] {
  const groups = ['library', 'http']
  const clients = groups.flatMap((group) => CLIENTS.filter((client) => client.group === group))
  return clients.flatMap((client) =>
    client.forms
      .filter((form) => form.provider === provider && form.file === null)
      .map((form) => ({
        id: `${client.id}:${form.title}`,
        title: client.forms.length > 1 ? `${client.name}: ${form.title}` : client.name,
        client,
        form,
      })),
  )
}

/** The headers that say what the calls are for. Tags are words with commas between. */
export function headersOf({ prompt_key, version, tags, real }: BuilderSearch): { [name: string]: string } {
  const words = (tags ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter(Boolean)
  return {
    ...(prompt_key?.trim() ? { 'X-Tallystick-Prompt-Key': prompt_key.trim() } : {}),
    ...(version?.trim() ? { 'X-Tallystick-Prompt-Version': version.trim() } : {}),
    ...(words.length ? { 'X-Tallystick-Tags': words.map(escaped).join(',') } : {}),
    ...(real ? {} : { 'X-Tallystick-Sandbox': 'true' }),
  }
}

/** `name` or `name=value`; what would mean something else, and what no client sends in a header, is percent-encoded. */
function escaped(tag: string): string {
  return tag.replace(/[^!-$&-+\--~]/g, encodeURIComponent)
}
