// How something differs from what it was before: a line for each member.
import type { Change } from '../api/types.gen'

export function Changes({ changes }: { changes: readonly Change[] }) {
  return changes.length === 0 ? null : (
    <ul className="changes">
      {changes.map((one) => (
        <li key={one.name}>
          <span className="label">{one.name}</span>{' '}
          {one.before === null ? <span className="quiet">none</span> : <del>{one.before}</del>}
          <span className="quiet"> → </span>
          {one.after === null ? <span className="quiet">none</span> : <ins>{one.after}</ins>}
        </li>
      ))}
    </ul>
  )
}
