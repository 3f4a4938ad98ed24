// What comes back from the API, before anything parses it: amounts in nanos are put in quotes, so that they reach the
// code as texts with all their digits. A number of JavaScript holds whole ones up to 2^53, which is nine million dollars.

const AMOUNT = /"([a-z_]*nanos)":\s*(-?\d+)/g

/** Inside a JSON text the closing quote of a name is written `\"`, so nothing that somebody wrote can match. */
export function exactly(body: string): string {
  return body.replace(AMOUNT, '"$1":"$2"')
}

export async function exactFetch(request: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const answer = await fetch(request, init)
  const kind = answer.headers.get('content-type') ?? ''
  if (!kind.includes('json') || answer.status === 204) return answer
  const headers = new Headers(answer.headers)
  headers.delete('content-length')
  return new Response(exactly(await answer.text()), {
    status: answer.status,
    statusText: answer.statusText,
    headers,
  })
}
