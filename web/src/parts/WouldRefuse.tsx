// What a budget that is being written would have refused in the last days, told while it is typed.
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { postBudgetsDryRun } from '../api/sdk.gen'
import type { NewBudget } from '../api/types.gen'
import { calls, grouped } from '../money'
import { Money } from './Money'

const DAYS = 7
const TYPED_MS = 400
const SHOWN = 3

export function WouldRefuse({ budget }: { budget: NewBudget | null }) {
  const [asked] = useDebouncedValue(budget, TYPED_MS)
  const { data } = useQuery({
    queryKey: ['budget dry run', asked],
    queryFn: async () => {
      const reply = await postBudgetsDryRun({ body: asked as NewBudget, query: { days: DAYS } })
      return reply.data ?? null // what cannot stand is said when it is set
    },
    enabled: asked !== null,
    staleTime: 60_000,
  })
  if (asked === null || !data) return null
  const { refused } = data
  const verb = asked.mode === 'hard' ? 'would have refused' : 'would have been exceeded by'
  return (
    <p className="label" data-would-refuse aria-live="polite">
      {data.calls === 0 ? (
        <>No call of the last {DAYS} days would have counted in it.</>
      ) : refused.calls === 0 ? (
        <>
          In the last {DAYS} days it would have held all {calls(data.calls)}.
        </>
      ) : (
        <>
          In the last {DAYS} days it {verb} <strong>{calls(refused.calls)}</strong> of {grouped(data.calls)},{' '}
          <Money nanos={String(refused.cost_nanos)} />
          {data.subjects.length > 0 && (
            <>
              , most of{' '}
              {data.subjects
                .slice(0, SHOWN)
                .map((one) => one.subject)
                .join(', ')}
              {data.subjects.length > SHOWN && ` and ${grouped(data.subjects.length - SHOWN)} more`}
            </>
          )}
          .{data.until && ` Counted until ${data.until.slice(0, 16).replace('T', ' ')} UTC.`}
        </>
      )}
    </p>
  )
}
