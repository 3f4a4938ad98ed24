// What came of testing a provider's key: a word, a sentence, the provider's own words, and what to do.
import type { TestedCredential } from '../api/types.gen'
import { grouped } from '../money'

const WORDS: { [outcome in TestedCredential['outcome']]: [string, string] } = {
  works: ['It works', 'green'],
  refused: ['Refused', 'red'],
  open: ['Not proved', 'amber'],
  limited: ['Limited', 'amber'],
  answered: ['Not proved', 'amber'],
  unreachable: ['Not reachable', 'red'],
  no_route: ['Cannot be tested', ''],
  unusable: ['Not used', 'red'],
}

export function KeyTested({ test }: { test: TestedCredential }) {
  const [word, tone] = WORDS[test.outcome]
  return (
    <output className="lines" aria-label="Result">
      <div>
        <span className={`tag ${tone}`}>{word}</span> {test.says}
      </div>
      {test.words && <blockquote className="soft">{test.words}</blockquote>}
      <div>{test.do}</div>
      {test.asked && (
        <div className="label">
          <code>{test.asked}</code>
          {test.status !== null && `: ${test.status}`}
          {test.latency_us !== null && ` after ${grouped(Math.round(test.latency_us / 1000))} ms`}
        </div>
      )}
    </output>
  )
}
