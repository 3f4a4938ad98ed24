// An amount: rounded for the eye, exact in its tooltip.
import { Tooltip } from '@mantine/core'
import { figure, full, type Nanos } from '../money'

/** `decimals`: of its column (`places`). Missing ones are set without ink, so that the points stand under each other. */
export function Money({ nanos, note, decimals = 0 }: { nanos: Nanos; note?: string; decimals?: number }) {
  const text = figure(nanos)
  const minus = text.startsWith('−')
  const missing = decimals - (text.split('.')[1]?.length ?? 0)
  return (
    <Tooltip label={note ? `${full(nanos)} · ${note}` : full(nanos)}>
      <span className="nowrap" data-nanos={String(nanos)}>
        {minus && '−'}
        <span className="currency">$</span>
        {minus ? text.slice(1) : text}
        {missing > 0 && (
          <span className="inkless" aria-hidden>
            {'0'.repeat(missing)}
          </span>
        )}
      </span>
    </Tooltip>
  )
}
