// Policies as pages speak of them. What kinds there are, and what of each can be said in which words, is one table
// (`policykinds.json`, which a test holds to the gateway's); forms and sentences are made of it.
import kinds from './policykinds.json'

export type FieldType = 'number' | 'money' | 'text' | 'flag' | 'choice' | 'list' | 'lists' | 'pairs'
export type Field = {
  name: string
  type: FieldType
  label: string
  unit?: string
  help?: string
  placeholder?: string
  choices?: string[]
  /** Names to choose from, where others may be written too. */
  offers?: 'model' | 'provider'
  needed?: boolean
}
export type PolicyKind = { kind: string; name: string; does: string; fields: Field[] }
export type Parameters = Record<string, unknown>
/** What stands in the fields of a form: a text each, of lists the texts, of a flag whether it is set. */
export type Filled = Record<string, string | string[] | boolean>

/** In the order in which calls are judged by them. */
export const POLICY_KINDS = kinds as PolicyKind[]
const PLACES = new Map(POLICY_KINDS.map((one, place) => [one.kind, place]))

export const STOP = 'kill'
export const POLICY_MODES = {
  enforce: 'Enforce: it acts',
  observe: 'Observe: it acts on nothing; each call says what it would have done',
} as const
export type PolicyMode = keyof typeof POLICY_MODES

export function kindOf(kind: string): PolicyKind {
  return POLICY_KINDS[PLACES.get(kind) ?? -1] ?? { kind, name: kind, does: '', fields: [] }
}

export type Ordered = { id: number; kind: string }

/** In the order in which a call meets them: kind by kind, within a kind as they were made. */
export function inOrder<One extends Ordered>(policies: readonly One[]): One[] {
  const place = ({ kind }: Ordered) => PLACES.get(kind) ?? PLACES.size
  return [...policies].sort((a, b) => place(a) - place(b) || a.id - b.id)
}

export function titleOf(policy: { name: string; kind: string }): string {
  return policy.name || kindOf(policy.kind).name
}

/** "team search" of "team:search", "each user" of "user:*". */
export function onText(on: string): string {
  if (on === 'org') return 'the organisation'
  const at = on.indexOf(':')
  const [kind, value] = [on.slice(0, at).replace('_', ' '), on.slice(at + 1)]
  return value === '*' ? `each ${kind}` : `${kind} ${value}`
}

/** What a policy was set to, a line for each of its parameters. */
export function saidOf(kind: string, parameters: Parameters): string[] {
  const known = kindOf(kind).fields
  const told = known.flatMap((field) => {
    const value = parameters[field.name]
    if (value === undefined || value === null || value === false || value === '') return []
    return [value === true ? field.label : `${field.label}: ${valueText(field, value)}`]
  })
  const others = Object.keys(parameters).filter((name) => !known.some((field) => field.name === name))
  return [...told, ...others.map((name) => `${name}: ${JSON.stringify(parameters[name])}`)]
}

function valueText({ type, unit }: Field, value: unknown): string {
  if (type === 'money') return `$${value}`
  if (type === 'pairs')
    return entriesOf(value)
      .map(([from, to]) => `${from} → ${to}`)
      .join(', ')
  if (type === 'lists')
    return entriesOf(value)
      .map(([name, allowed]) => `${name}: ${asTexts(allowed).join(' or ')}`)
      .join('; ')
  const text = Array.isArray(value) ? value.join(', ') : String(value)
  return unit ? `${text} ${unit}` : text
}

const entriesOf = (value: unknown) => Object.entries((value ?? {}) as Record<string, unknown>)
const asTexts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [String(value)])

/** What a form begins with. */
export function filledOf({ fields }: PolicyKind, parameters: Parameters): Filled {
  return Object.fromEntries(fields.map((field) => [field.name, asFilled(field, parameters[field.name])]))
}

function asFilled({ type }: Field, value: unknown): string | string[] | boolean {
  if (type === 'flag') return value === true
  if (type === 'list') return value === undefined ? [] : asTexts(value)
  if (type === 'pairs' || type === 'lists')
    return entriesOf(value)
      .map(([name, said]) => `${name} = ${asTexts(said).join(', ')}`)
      .join('\n')
  return value === undefined || value === null ? '' : String(value)
}

/** The parameters that a form says; what is left empty is not said. Throws Unreadable. */
export function parametersOf({ fields }: PolicyKind, filled: Filled): Parameters {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = asParameter(field, filled[field.name])
      return value === undefined ? [] : [[field.name, value]]
    }),
  )
}

export class Unreadable extends Error {}

function asParameter(field: Field, said: string | string[] | boolean | undefined): unknown {
  if (typeof said === 'boolean') return said || undefined
  if (Array.isArray(said)) return said.length ? said : undefined
  const text = said?.trim() ?? ''
  if (!text) {
    if (field.needed) throw new Unreadable(`${field.label}: say something.`)
    return undefined
  }
  if (field.type === 'number') {
    if (!/^\d{1,15}$/.test(text)) throw new Unreadable(`${field.label}: a whole number.`)
    return Number(text)
  }
  if (field.type === 'money') {
    const amount = text.replace(/^\$/, '')
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(amount)) throw new Unreadable(`${field.label}: dollars, such as 2.50.`)
    return amount
  }
  if (field.type === 'pairs' || field.type === 'lists') return asTable(field, text)
  return text
}

function asTable(field: Field, text: string): Record<string, string | string[]> {
  const lines = text.split('\n').filter((line) => line.trim())
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=')
      const name = line.slice(0, at).trim()
      const values = line
        .slice(at + 1)
        .split(',')
        .map((one) => one.trim())
        .filter(Boolean)
      if (at < 0 || !name || !values.length)
        throw new Unreadable(`${field.label}: “${line.trim()}” is not of the form ${field.placeholder}.`)
      if (field.type === 'pairs' && values.length > 1)
        throw new Unreadable(`${field.label}: one cheaper model for ${name}.`)
      return [name, field.type === 'pairs' ? (values[0] as string) : values]
    }),
  )
}

/** How long something is going on: "just now", "14 min ago", "3 h ago". */
export function since(from: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(from)) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`
}
