import { describe, expect, it } from 'vitest'
import { type Form, overrideOf, perName, pricesOf } from './pricesearch'

const form: Form = {
  kind: 'percent',
  provider: 'openai',
  model: '',
  unit: 'tokens',
  value: '-12,5',
  from: '',
  to: '',
  team: '',
  contract: '',
  unlisted: true,
}

describe('an override', () => {
  it('is what its form says, and nothing that was left empty', () => {
    expect(overrideOf(form)).toEqual({
      kind: 'percent',
      provider: 'openai',
      model: '*',
      unit: 'tokens',
      value: '-12.5',
    })
    expect(
      overrideOf({
        ...form,
        kind: 'price',
        model: ' house ',
        unit: 'input_text',
        value: '2',
        from: '2026-01-01',
      }),
    ).toEqual({
      kind: 'price',
      provider: 'openai',
      model: 'house',
      unit: 'input_text',
      value: '2',
      valid_from: '2026-01-01',
      unlisted: true,
    })
  })

  it('says what is missing', () => {
    expect(overrideOf({ ...form, value: 'half' })).toContain('percentage')
    expect(overrideOf({ ...form, kind: 'price' })).toContain('which')
    expect(overrideOf({ ...form, provider: ' ' })).toContain('provider')
  })
})

describe('addresses', () => {
  it('keep what they know', () => {
    expect(pricesOf({ q: 4, new: true, sort: '-x', other: 1 })).toEqual({ q: '4', new: true, sort: '-x' })
  })

  it('name what a rate is for', () => {
    expect([perName(1_000_000), perName(1_000), perName(1)]).toEqual(['a million', 'for 1,000', 'each'])
  })
})
