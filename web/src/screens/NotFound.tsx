// An address that leads nowhere.
import { Link } from '@tanstack/react-router'
import { Page } from '../parts/Page'

export function NotFound() {
  return (
    <Page
      title="There is no such page"
      question="The address may be of a newer version, or have lost its end on the way."
    >
      <Link to="/">To the overview</Link>
    </Page>
  )
}
