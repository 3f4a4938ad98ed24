// One colour per name of a dimension, on every chart and in every list. The name alone prefers a colour; where another
// name of its dimension has it already, it takes the next free one, so that no two on one chart look the same.
const COLOURS = 8
const taken = new Map<string, Map<string, number>>()

export function entityColour(dimension: string, name: string | null): string {
  if (name === null) return 'var(--entity-rest)'
  let known = taken.get(dimension)
  if (!known) {
    known = new Map()
    taken.set(dimension, known)
  }
  let colour = known.get(name)
  if (colour === undefined) {
    const used = new Set(known.values())
    colour = preferred(name)
    for (let tried = 0; used.has(colour) && tried < COLOURS; tried++) colour = (colour + 1) % COLOURS
    known.set(name, colour)
  }
  return `var(--entity-${colour + 1})`
}

function preferred(name: string): number {
  let hash = 0x811c9dc5
  for (const unit of name) hash = Math.imul(hash ^ (unit.codePointAt(0) as number), 0x01000193)
  return (hash >>> 0) % COLOURS
}
