// The kill switch in the head of every screen: who is stopped, and the way to where that is done and undone.
import { ActionIcon, Tooltip } from '@mantine/core'
import { IconHandStop } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useWho } from '../parts/people'
import { STOPPERS, useStops } from '../parts/stops'
import { onText, since } from '../policies'
import { may, useSession } from '../session'

export function Stopped({ slug }: { slug: string }) {
  const session = useSession()
  const navigate = useNavigate()
  const { data: stops } = useStops()
  const who = useWho()
  const latest = stops?.toSorted((one, other) => other.set_at.localeCompare(one.set_at))[0]
  if (!stops || !latest)
    return may(session, ...STOPPERS) ? (
      <Tooltip label="Stop calls">
        <ActionIcon
          onClick={() => navigate({ to: '/o/$slug/stop', params: { slug } })}
          variant="subtle"
          color="gray"
          c="var(--ink-soft)"
          size="lg"
          aria-label="Stop calls"
        >
          <IconHandStop size={18} />
        </ActionIcon>
      </Tooltip>
    ) : null
  const more = stops.length - 1
  return (
    <Link
      to="/o/$slug/stop"
      params={{ slug }}
      className="stopped"
      title={String(latest.parameters.reason ?? '')}
    >
      <IconHandStop size={16} aria-hidden />
      <span>
        Stopped: {onText(latest.on)}
        <span className="wide-only">
          , {since(latest.set_at, Date.now())}, by {who(latest.set_by)}
        </span>
        {more > 0 && ` and ${more} more`}
      </span>
    </Link>
  )
}
