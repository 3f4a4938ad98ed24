import { describe, expect, it } from 'vitest'
import { judged } from './baseurl'
import { CLIENTS, clientOf } from './connect'
import { hitsOf, MANUAL, piecesOf, requestsIn } from './manual'
import { helpOf } from './screens/helpsearch'

const openai = clientOf('openai-python') as (typeof CLIENTS)[number]
const anthropic = clientOf('anthropic-python') as (typeof CLIENTS)[number]
const php = clientOf('php') as (typeof CLIENTS)[number]
const HERE = 'http://127.0.0.1:8000'

describe('a base URL', () => {
  it('is right as the data file has it, for every client', () => {
    for (const client of CLIENTS) {
      const address = (client.forms[0]?.address ?? '').replace('{gateway}', HERE)
      expect(judged(address, client, HERE), client.id).toMatchObject({ right: true })
    }
  })

  it.each([
    ['127.0.0.1:8000/v1', openai, /begins with http/],
    ['https://api.openai.com/v1', openai, /pass by this gateway/],
    [HERE, openai, /wants \/v1 at the end/],
    [`${HERE}/v1/chat/completions`, openai, /adds \/chat\/completions itself/],
    [`${HERE}/v1/v1`, openai, /twice/],
    [`${HERE}/v1`, anthropic, /adds \/v1 itself/],
    ['http://127.0.0.1:8080/v1', openai, /port is another/],
    ['https://127.0.0.1:8000/v1', openai, /speaks http, not https/],
    [`${HERE}/v1?key=1`, openai, /begins with \?/],
    [`${HERE}/v1`, php, /slash at its end/],
    [`${HERE}/proxy/mistral`, openai, /not what OpenAI, Python wants/],
    ['http://me:secret@127.0.0.1:8000/v1', openai, /name and password/],
  ])('%s is told what is wrong', (written, client, says) => {
    const found = judged(written, client, HERE)
    expect(found.right).toBe(false)
    expect(found.says).toMatch(says)
    expect(found.instead).toBe((client.forms[0]?.address ?? '').replace('{gateway}', HERE))
  })

  it('counts names of this machine as one', () => {
    expect(judged('http://localhost:8000/v1', openai, HERE).right).toBe(true)
  })
})

describe('a pasted error', () => {
  it('is answered by its code', () => {
    const [hit] = hitsOf(
      "openai.AuthenticationError: Error code: 401 - {'error': {'code': 'invalid_api_key', 'tallystick': {}}}",
    )
    expect(hit).toMatchObject({ section: '401', code: 'invalid_api_key' })
    expect(JSON.stringify(hit?.block)).toContain('never issued here')
  })

  it('by every code that the gateway has', () => {
    const codes = MANUAL.refusals.flatMap(({ blocks }) =>
      blocks.flatMap(({ table }) =>
        (table ?? []).slice(1).map((row) => /`([a-z_]+)`/.exec(row[0] ?? '')?.[1]),
      ),
    )
    const known = codes.filter((code): code is string => code?.includes('_') ?? false)
    expect(known.length).toBeGreaterThan(15)
    for (const code of known) expect(hitsOf(`refused: ${code}`), code).not.toEqual([])
  })

  it('by its status where it has no code of ours', () => {
    expect(hitsOf('HTTP 404 from upstream').map(({ section }) => section)).toEqual(['404'])
    expect(hitsOf('something went wrong')).toEqual([])
  })

  it('leads to its call', () => {
    const id = `req_${'0a'.repeat(16)}`
    expect(requestsIn(`see ${id}, ${id} and req_12`)).toEqual([id])
  })
})

it('a text of the manual is taken apart', () => {
  expect(piecesOf('a `b_c` of [the words](x.md), **strong** and *soft*')).toEqual([
    { kind: 'plain', text: 'a ' },
    { kind: 'code', text: 'b_c' },
    { kind: 'plain', text: ' of the words, ' },
    { kind: 'strong', text: 'strong' },
    { kind: 'plain', text: ' and ' },
    { kind: 'strong', text: 'soft' },
  ])
})

it('an address keeps what it knows and nothing secret', () => {
  expect(
    helpOf({ part: 'connect', client: 'curl', team: 'a', key: 'tsk_x', sandbox: true, form: 'Google' }),
  ).toEqual({
    part: 'connect',
    client: 'curl',
    team: 'a',
    sandbox: true,
    form: 'Google',
  })
  expect(helpOf({ part: 'nothing', client: 'nobody', sandbox: 'x' })).toEqual({})
})
