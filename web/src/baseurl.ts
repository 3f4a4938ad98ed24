// What is wrong with a base URL that somebody gave a client: compared with what the client wants (connect.ts) and with where
// this gateway is. Nothing is fetched.
import type { Client } from './connect'

export type Finding = { right: boolean; says: string; instead: string | null }

export function judged(written: string, client: Client, gateway: string): Finding {
  const wanted = (client.forms[0]?.address ?? '{gateway}').replace('{gateway}', gateway)
  const wrong = (says: string): Finding => ({ right: false, says, instead: wanted })
  let url: URL
  try {
    url = new URL(written.trim())
  } catch {
    return wrong('This is no address: it begins with http:// or https://.')
  }
  const here = new URL(gateway)
  if (!/^https?:$/.test(url.protocol)) return wrong('This is no address: it begins with http:// or https://.')
  if (url.username || url.password)
    return wrong('Leave name and password out of it; the key goes where keys go.')
  if (url.hostname !== here.hostname && !(isLoopback(url) && isLoopback(here)))
    return wrong(`It leads to ${url.hostname}: calls there pass by this gateway, which is at ${here.host}.`)
  if (url.port !== here.port)
    return wrong(`The port is another one: this gateway is at ${here.host}, not ${url.host}.`)
  if (url.protocol !== here.protocol)
    return wrong(`This gateway speaks ${here.protocol.slice(0, -1)}, not ${url.protocol.slice(0, -1)}.`)
  if (url.search || url.hash) return wrong('Nothing follows the path: leave out what begins with ? or #.')
  const path = (text: string) => new URL(text).pathname.replace(/\/+$/, '')
  const [is, shall] = [path(url.href), path(wanted)]
  if (is === shall)
    return wanted.endsWith('/') && !url.pathname.endsWith('/')
      ? wrong(`${client.name} wants the slash at its end; without it the last part of the path is lost.`)
      : { right: true, says: `This is what ${client.name} wants.`, instead: null }
  const verb = /\/(chat\/completions|responses|messages|completions|embeddings|chat)$/.exec(is)
  if (verb) return wrong(`${client.name} adds ${verb[0]} itself: leave it out.`)
  if (/\/v1\/v1$/.test(is)) return wrong('/v1 stands there twice.')
  if (`${is}/v1` === shall)
    return wrong(`${client.name} wants /v1 at the end; without it every call is refused.`)
  if (is === `${shall}/v1`) return wrong(`${client.name} adds /v1 itself: with it calls go to /v1/v1/….`)
  return wrong(`The path is not what ${client.name} wants.`)
}

const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
