// How a call's cost comes about: quantity × rate = amount, line by line, and their exact sum.
import type { CallDocument, CallLine } from '../calls'
import { exactSum, full, grouped, nanosOfDollars } from '../money'
import { Section } from './Page'

export function Arithmetic({ call }: { call: CallDocument }) {
  const priced = call.lines.filter((line) => line.amount_usd !== undefined)
  const total = exactSum(priced.map((line) => line.amount_usd as string))
  return (
    <Section
      title="How the cost comes about"
      end={call.lines[0]?.source && `prices: ${call.lines[0].source}`}
    >
      {call.lines.length === 0 ? (
        <p className="soft" style={{ paddingTop: 12 }}>
          {NO_LINES[call.basis ?? ''] ?? 'There are no lines: nothing was counted that has a price.'}
        </p>
      ) : (
        <div className="table-scroll">
          <table className="book">
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col" className="number">
                  Quantity
                </th>
                <th scope="col" className="number">
                  Rate
                </th>
                <th scope="col" className="number">
                  Factor
                </th>
                <th scope="col" className="number">
                  Amount
                </th>
              </tr>
            </thead>
            <tbody>
              {call.lines.map((line) => (
                <Line key={`${line.part} ${line.unit} ${line.price_row}`} line={line} />
              ))}
            </tbody>
            <tfoot>
              <tr>
                <td colSpan={4}>Sum, rounded once to the nano-dollar</td>
                <td className="number" data-sum={total}>
                  ${shownExact(total)}
                </td>
              </tr>
            </tfoot>
          </table>
        </div>
      )}
    </Section>
  )
}

const NO_LINES: Record<string, string> = {
  worst_case:
    'Nobody said what was used, so the worst case that was held is booked until evidence corrects it.',
  zero_proven: 'The provider refused it with an error of its own: that costs nothing.',
  deferred: 'It only opened a job; the cost is booked when the job’s result is fetched.',
}

function Line({ line }: { line: CallLine }) {
  return (
    <tr>
      <td>
        {line.unit.replaceAll('_', ' ')}
        {line.part > 0 && <span className="label"> part {line.part + 1}</span>}
      </td>
      <td className="number">{typeof line.quantity === 'number' ? grouped(line.quantity) : line.quantity}</td>
      {line.unpriced ? (
        <td className="number" colSpan={3}>
          <span className="tag amber">no price</span>
        </td>
      ) : (
        <>
          <td className="number" title={line.price_row ?? undefined}>
            ${line.rate_usd} <span className="label">per {perText(line.per ?? 1)}</span>
          </td>
          <td className="number">
            {line.factor === '1' ? <span className="quiet">–</span> : `× ${line.factor}`}
          </td>
          <td className="number">${shownExact(line.amount_usd as string)}</td>
        </>
      )}
    </tr>
  )
}

const perText = (per: number) => (per === 1_000_000 ? '1M' : per === 1000 ? '1k' : grouped(per))

/** All digits of an exact amount; at least nine decimals' place is not forced on it. */
function shownExact(text: string): string {
  return /\.\d{10,}$/.test(text) ? text : full(nanosOfDollars(text)).slice(1)
}
