// What a change of prices would have done to the calls of the last thirty days.
import { useQuery } from '@tanstack/react-query'
import { postPricesEffects } from '../api/sdk.gen'
import type { ChangeAsked } from '../api/types.gen'
import { grouped, money } from '../money'
import { dayText } from '../range'
import { Money } from './Money'
import { Coming, Fault } from './states'

export function PriceEffect({ change }: { change: ChangeAsked }) {
  const { data, error, isPending } = useQuery({
    queryKey: ['prices', 'effect', change],
    queryFn: async () => (await postPricesEffects({ body: change, throwOnError: true })).data,
  })
  if (error) return <Fault problem={error} />
  if (isPending) return <Coming rows={2} />
  const delta = BigInt(data.delta_nanos)
  const days = data.whole ? 'the last 30 days' : `${dayText(data.start)} to ${dayText(data.end)}`
  return (
    <div className="effect" data-delta={String(delta)}>
      <p>
        {data.calls === 0 ? (
          <>Of {days} there is no call that these prices would decide.</>
        ) : delta === 0n ? (
          <>
            None of the {grouped(data.calls)} calls of {days} would have cost otherwise.
          </>
        ) : (
          <>
            Had it held for {days}, {grouped(data.calls)} calls would have cost{' '}
            <Money nanos={data.new_nanos as never} /> instead of <Money nanos={data.old_nanos as never} />:{' '}
            <strong>{money(delta < 0n ? -delta : delta)}</strong> {delta < 0n ? 'less' : 'more'}.
          </>
        )}
      </p>
      {!data.whole && (
        <p className="label">
          So much was called that not all thirty days are priced anew: the latest alone, and of them at most{' '}
          {grouped(data.calls_max)} calls.
        </p>
      )}
      {data.models.length > 1 && (
        <ul className="changes">
          {data.models.slice(0, 5).map((one) => (
            <li key={`${one.provider} ${one.model}`}>
              {one.model} <span className="label">{grouped(one.calls)} calls</span>{' '}
              <Money nanos={one.old_nanos as never} /> → <Money nanos={one.new_nanos as never} />
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
