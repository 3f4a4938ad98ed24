// What an amount is now beside what it was in as many days before: in money and in percent, with its sign.
import { money, nanosOf, percent } from '../money'

export function Change({ now, before }: { now: string; before: string }) {
  const more = nanosOf(now) - nanosOf(before)
  if (nanosOf(before) === 0n) return <span className="quiet">{more === 0n ? '–' : 'new'}</span>
  if (more === 0n) return <span className="quiet">as much</span>
  const size = more < 0n ? -more : more
  const sign = more < 0n ? '−' : '+'
  return (
    <span className="nowrap">
      {sign}
      {money(size)}{' '}
      <span className="quiet">
        ({sign}
        {percent(size, before)})
      </span>
    </span>
  )
}

/** The same as a sentence. */
export function changeText(now: string, before: string): string {
  const more = nanosOf(now) - nanosOf(before)
  if (nanosOf(before) === 0n) return more === 0n ? '' : 'nothing in the days before'
  if (more === 0n) return 'as much as in the days before'
  const size = more < 0n ? -more : more
  return `${money(size)} ${more < 0n ? 'less' : 'more'} than in the days before`
}
