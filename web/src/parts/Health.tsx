// How stored credentials stand, by what their calls showed.
import type { Credential } from '../api/types.gen'

const WORDS: Record<string, [string, string]> = {
  healthy: ['healthy', 'green'],
  unused: ['not used yet', ''],
  cooling: ['cooling down', 'amber'],
  refused: ['refused', 'red'],
  failing: ['failing', 'red'],
}

export function healthOf(one: Credential): string {
  const { health } = one
  return health?.state === 'healthy' && !health.answers && !health.failures
    ? 'unused'
    : (health?.state ?? 'unused')
}

export function Health({ credentials }: { credentials: readonly Credential[] }) {
  const counts = new Map<string, number>()
  for (const one of credentials) {
    const state = one.status === 'origin_changed' ? 'moved' : healthOf(one)
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  return (
    <>
      {[...counts].map(([state, count]) => {
        const [word, tone] = state === 'moved' ? ['address changed', 'red'] : (WORDS[state] ?? [state, ''])
        return (
          <span key={state} className={`tag ${tone}`}>
            {credentials.length > 1 && `${count} `}
            {word}
          </span>
        )
      })}
    </>
  )
}
