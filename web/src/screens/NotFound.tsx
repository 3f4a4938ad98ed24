// An address that leads nowhere.
import { Link } from '@tanstack/react-router'
import { Empty } from '../parts/states'

export function NotFound() {
  return (
    <div style={{ padding: '40px 32px' }}>
      <Empty title="There is no such page" action={<Link to="/">To the overview</Link>}>
        The address may be of a newer version, or have lost its end on the way.
      </Empty>
    </div>
  )
}
