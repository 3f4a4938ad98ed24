import { expect, test } from 'vitest'
import { Unreadable, writtenOf } from './bench'

test('as HTTP writes it', () => {
  const text =
    'POST /v1/chat/completions HTTP/1.1\nContent-Type: application/json\nX-Tallystick-User: ada: b\n\n{"model": "o3"}\n'
  expect(writtenOf(text)).toEqual({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'Content-Type': 'application/json', 'X-Tallystick-User': 'ada: b' },
    body: '{"model": "o3"}',
  })
  expect(writtenOf('/v1/models').method).toBe('GET')
  expect(writtenOf('/v1/messages\n\n{}').method).toBe('POST')
})

test('as a curl command, without its credentials', () => {
  const text = `curl https://gateway.example:8000/v1/chat/completions \\
  -H "Authorization: Bearer tsk_secret" -H 'Content-Type: application/json' \\
  -d '{"model": "o3", "messages": [{"role": "user", "content": "it\\u0027s \\"hi\\""}]}'`
  const found = writtenOf(text)
  expect(found.path).toBe('/v1/chat/completions')
  expect(found.method).toBe('POST')
  expect(found.headers).toEqual({ 'Content-Type': 'application/json' })
  expect(JSON.parse(found.body).messages[0].content).toBe(`it's "hi"`)
  expect(writtenOf('curl -X DELETE "/v1/files/a\\"b"').path).toBe('/v1/files/a"b')
})

test('what cannot be read says what to write', () => {
  for (const text of [
    '',
    'TRACE /v1/models',
    'POST chat',
    '/v1/messages\n{"model": 1}',
    'curl -d @body.json /v1/x',
    'curl -s',
  ])
    expect(() => writtenOf(text)).toThrow(Unreadable)
})
