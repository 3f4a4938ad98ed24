// What the API says when it refuses (application/problem+json), or that it could not be reached at all.

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly requestId: string | null = null,
  ) {
    super(detail)
    this.name = 'Problem'
  }

  static of(body: unknown, response: Response | undefined): Problem {
    if (!response)
      return new Problem(
        0,
        'unreachable',
        'The gateway does not answer. Is it running, and are you on its network?',
      )
    const said = (typeof body === 'object' && body !== null ? body : {}) as {
      code?: unknown
      detail?: unknown
      errors?: unknown
    }
    const fields = Array.isArray(said.errors)
      ? said.errors.map((fault) => String(fault?.field ?? '')).filter(Boolean)
      : []
    const detail = typeof said.detail === 'string' ? said.detail : `The gateway answered ${response.status}.`
    return new Problem(
      response.status,
      typeof said.code === 'string' ? said.code : 'unknown',
      fields.length ? `${detail} (${fields.join(', ')})` : detail,
      response.headers.get('x-tallystick-request-id'),
    )
  }
}
