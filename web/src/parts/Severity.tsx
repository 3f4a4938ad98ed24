// How grave an alert is: a word and a mark, for whoever sees no colours. And how one of its deliveries went.
import { IconAlertTriangle, IconInfoCircle, IconUrgent } from '@tabler/icons-react'

const SHOWN = {
  critical: { word: 'Critical', ink: 'red', icon: IconUrgent },
  warning: { word: 'Warning', ink: 'amber', icon: IconAlertTriangle },
  info: { word: 'Info', ink: '', icon: IconInfoCircle },
} as const

export function SeverityMark({ severity }: { severity: string }) {
  const { word, ink, icon: Icon } = SHOWN[severity as keyof typeof SHOWN] ?? SHOWN.info
  return (
    <span className={`tag mark ${ink}`}>
      <Icon size={14} aria-hidden /> {word}
    </span>
  )
}

const INKS: Record<string, string> = {
  sent: 'green',
  failed: 'red',
  refused: 'red',
  retry: 'amber',
  waiting: 'amber',
}

/** Of a delivery or an attempt: sent, failed, waiting … */
export function Outcome({ state }: { state: string }) {
  return <span className={`tag ${INKS[state] ?? ''}`}>{state === 'retry' ? 'to be tried again' : state}</span>
}
