import { describe, expect, it } from 'vitest'
import { type Asked, PROVIDERS, refusalOf, requestOf, textOf } from './firstcall'

const ASKED: Asked = {
  provider: 'openai',
  model: 'gpt-4o-mini',
  prompt: 'Hello',
  limit: 200,
  key: 'tsk_one',
  way: 'sandbox',
}

describe('the first call', () => {
  it('stands in the provider’s place, and in the sandbox says so', () => {
    const { path, headers, body } = requestOf(ASKED)
    expect(path).toBe('/v1/chat/completions')
    expect(headers).toMatchObject({ Authorization: 'Bearer tsk_one', 'X-Tallystick-Sandbox': 'true' })
    expect(JSON.parse(body)).toMatchObject({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'Hello' }],
    })
  })

  it('makes room for a provider’s key that is sent along', () => {
    const { headers } = requestOf({ ...ASKED, provider: 'anthropic', way: 'passed', credential: 'sk-ant' })
    expect(headers).toMatchObject({ 'X-Tallystick-Key': 'tsk_one', 'x-api-key': 'sk-ant' })
    expect(headers).not.toHaveProperty('X-Tallystick-Sandbox')
    expect(headers).not.toHaveProperty('Authorization')
  })

  it('knows a model for every provider', () => {
    for (const { model } of Object.values(PROVIDERS)) expect(model).not.toBe('')
  })

  it('names the model in the path where the provider has it there', () => {
    expect(requestOf({ ...ASKED, provider: 'google', model: 'a/b' }).path).toBe(
      '/v1beta/models/a%2Fb:generateContent',
    )
  })
})

describe('the answer', () => {
  it('is found in each shape', () => {
    expect(textOf('openai', '{"choices":[{"message":{"content":"Hi"}}]}')).toBe('Hi')
    expect(textOf('anthropic', '{"content":[{"type":"text","text":"Hi"},{"type":"x"}]}')).toBe('Hi')
    expect(textOf('google', '{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}')).toBe('Hi')
    expect(textOf('openai', 'not json')).toBe('')
  })

  it('is the refusal’s own words where it is one', () => {
    expect(refusalOf('{"error":{"message":"no"}}')).toBe('no')
    expect(refusalOf('{"error":"no"}')).toBe('no')
    expect(refusalOf('{"detail":"no"}')).toBe('no')
    expect(refusalOf('<html>')).toBe('<html>')
  })
})
