import { expect, test } from 'vitest'
import { filled } from '../connect'
import { builderOf, codesOf, headersOf } from './buildersearch'

test('the form stands in the address, and only what it can mean', () => {
  expect(
    builderOf({
      provider: 'anthropic',
      temperature: 0.7,
      max_tokens: 400,
      tags: 'a, b',
      real: true,
      other: 1,
    }),
  ).toEqual({ provider: 'anthropic', temperature: '0.7', max_tokens: 400, tags: 'a, b', real: true })
  expect(
    builderOf({ provider: 'openai', temperature: 'hot', max_tokens: 0, import: 'yes', model: '' }),
  ).toEqual({})
})

test('every provider has programs in several languages, and each can be filled', () => {
  expect(codesOf('openai').map((code) => code.form.language)).toEqual(
    expect.arrayContaining(['python', 'js', 'sh', 'php', 'java']),
  )
  expect(codesOf('anthropic').map((code) => code.form.language)).toEqual(
    expect.arrayContaining(['python', 'js', 'sh']),
  )
  for (const { form } of [...codesOf('openai'), ...codesOf('anthropic'), ...codesOf('google')])
    expect(
      filled(form, { gateway: 'http://127.0.0.1:8000', maxTokens: '64', temperature: '0.5' }),
    ).not.toContain('«')
})

test('what calls are for is said in headers, and the sandbox unless the call is real', () => {
  expect(headersOf({ prompt_key: ' a/b ', version: '2', tags: 'beta, tier=gold,,50 %', real: true })).toEqual(
    {
      'X-Tallystick-Prompt-Key': 'a/b',
      'X-Tallystick-Prompt-Version': '2',
      'X-Tallystick-Tags': 'beta,tier=gold,50%20%25',
    },
  )
  expect(headersOf({})).toEqual({ 'X-Tallystick-Sandbox': 'true' })
})
