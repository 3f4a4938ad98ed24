// Pages of the manual: headings, paragraphs, tables and lines of code, as `manual.ts` has them.
import { type Block, type Section as ManualSection, piecesOf } from '../manual'
import { Snippet } from './Copy'

/** Words of the manual with their code and emphasis. */
export function Said({ text }: { text: string }) {
  return piecesOf(text).map((piece, at) => {
    const key = `${at}${piece.text}`
    if (piece.kind === 'code') return <code key={key}>{piece.text}</code>
    return piece.kind === 'strong' ? (
      <strong key={key}>{piece.text}</strong>
    ) : (
      <span key={key}>{piece.text}</span>
    )
  })
}

export function ManualBlock({ block }: { block: Block }) {
  if (block.code !== undefined) return <Snippet text={block.code} what="the lines" />
  if (block.text !== undefined)
    return (
      <p>
        <Said text={block.text} />
      </p>
    )
  const [head = [], ...rows] = block.table ?? []
  const named = head.some((cell) => cell !== '')
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse
    <div className="table-scroll" tabIndex={0}>
      <table className="book manual-table">
        {named && (
          <thead>
            <tr>
              {head.map((cell) =>
                cell === '' ? (
                  <td key="-" />
                ) : (
                  <th key={cell} scope="col">
                    <Said text={cell} />
                  </th>
                ),
              )}
            </tr>
          </thead>
        )}
        <tbody>
          {(named ? rows : [head, ...rows].filter((row) => row.some((cell) => cell !== ''))).map((row) => (
            <tr key={row.join('|')}>
              {row.map((cell, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell of a row that never changes
                <td key={at}>
                  <Said text={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function Manual({ sections }: { sections: readonly ManualSection[] }) {
  return (
    <div className="manual">
      {sections.map(({ level, title, blocks }) => {
        const Heading = level <= 2 ? 'h2' : 'h3'
        return (
          <section key={title}>
            <Heading>
              <Said text={title} />
            </Heading>
            {blocks.map((block) => (
              <ManualBlock key={JSON.stringify(block)} block={block} />
            ))}
          </section>
        )
      })}
    </div>
  )
}
