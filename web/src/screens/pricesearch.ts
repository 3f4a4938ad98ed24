// What the addresses of the price book say, and an override's form as the API takes it.
import type { NewOverride } from '../api/types.gen'

export type PriceSearch = { q?: string; new?: true; of?: string; model?: string; sort?: string }
export type ModelSearch = { provider: string; model: string; new?: true }

export function pricesOf(search: Record<string, unknown>): PriceSearch {
  const { q, of, model, sort } = search
  return {
    ...(q !== undefined && String(q) ? { q: String(q).slice(0, 128) } : {}),
    ...(search.new === true ? { new: true as const } : {}),
    ...(typeof of === 'string' && of ? { of } : {}),
    ...(model !== undefined && String(model) ? { model: String(model) } : {}),
    ...(typeof sort === 'string' && /^-?\w+$/.test(sort) ? { sort } : {}),
  }
}

export function modelOf(search: Record<string, unknown>): ModelSearch {
  return {
    provider: String(search.provider ?? ''),
    model: String(search.model ?? ''),
    ...(search.new === true ? { new: true as const } : {}),
  }
}

export const CLASSES = {
  all: 'Everything',
  tokens: 'All tokens',
  input: 'Input tokens',
  output: 'Output tokens',
  cached: 'Cached tokens',
  tools: 'Tool calls',
} as const

export const UNITS = [
  'input_text',
  'cached_text',
  'cache_write_5m',
  'cache_write_1h',
  'output_text',
  'output_reasoning',
  'input_audio',
  'output_audio',
  'input_image',
  'output_image',
  'web_searches',
  'requests',
] as const

export type Form = {
  kind: 'price' | 'percent'
  provider: string
  model: string
  unit: string
  value: string
  from: string
  to: string
  team: string
  contract: string
  unlisted: boolean
}

/** The override that a form means; a text that says what is missing. */
export function overrideOf(form: Form): NewOverride | string {
  const value = form.value.trim().replace(',', '.')
  if (!/^-?\d+(\.\d+)?$/.test(value))
    return form.kind === 'price'
      ? 'Say the price in dollars for a million, such as 0.15.'
      : 'Say the percentage, such as -20.'
  if (!form.provider.trim()) return 'Choose a provider.'
  if (form.kind === 'price' && !form.model.trim()) return 'A price is of one model; say which.'
  return {
    kind: form.kind,
    provider: form.provider.trim(),
    model: form.model.trim() || '*',
    unit: form.unit,
    value,
    ...(form.from ? { valid_from: form.from } : {}),
    ...(form.to ? { valid_to: form.to } : {}),
    ...(form.team.trim() ? { team: form.team.trim() } : {}),
    ...(form.contract.trim() ? { contract: form.contract.trim() } : {}),
    ...(form.kind === 'price' && form.unlisted ? { unlisted: true } : {}),
  }
}

export function unitName(unit: string): string {
  return unit.replaceAll('_', ' ')
}

/** "a million", "1,000", "1": for how many units a rate is. */
export function perName(per: number): string {
  return per === 1_000_000 ? 'a million' : per === 1 ? 'each' : `for ${per.toLocaleString('en-US')}`
}
