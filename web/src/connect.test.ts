import { describe, expect, it } from 'vitest'
import cases from '../../tests/connect/filled.json'
import { CLIENTS, type Filling, filled, shellExports, unfit } from './connect'

describe('what the commands print is what the pages show', () => {
  for (const one of cases) {
    it(one.name, () => {
      const filling = one.filling as Filling
      const texts = CLIENTS.map((client) => ({
        id: client.id,
        exports: shellExports(client, filling),
        forms: client.forms.map((form) => filled(form, filling)),
      }))
      expect(texts).toEqual(one.texts)
    })
  }
})

describe('a value that cannot stand there', () => {
  it.each<Filling>([
    { gateway: 'ftp://gateway' },
    { gateway: 'http://gateway', key: 'a\nb' },
    { gateway: 'http://gateway', headers: { 'X Team': 'a' } },
    { gateway: 'http://gateway', headers: { 'X-Team': 'Büro' } },
    { gateway: 'http://gateway', headers: { 'X-Team': 'a\r\nX-Tallystick-Key: b' } },
    { gateway: 'http://gateway', headers: { 'X-Team': ' ' } },
    { gateway: 'http://gateway', maxTokens: '1; rm' },
  ])('is said: %o', (filling) => {
    expect(unfit(filling)).toMatch(/\.$/)
  })

  it('is none of these', () => {
    expect(unfit({ gateway: 'https://gateway:8000/', headers: { 'X-Tallystick-Tags': 'a=b,c' } })).toBeNull()
  })
})
