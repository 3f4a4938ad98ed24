// The versions of a prompt beside each other: what they cost and how often they were called as bars, and everything
// that tells them apart in a table. The same on a prompt's page and in the dialog over the overview.
import { Modal } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { getPromptsOne } from '../api/sdk.gen'
import type { VersionShown } from '../api/types.gen'
import { entityColour } from '../entity'
import { FAILED, type Filter } from '../filters'
import { grouped, length, nanosOf, percent, places } from '../money'
import type { Days, RangeSearch } from '../range'
import { partOf } from '../screens/promptsearch'
import { AsCsv, Book, type Column } from './Book'
import { Money } from './Money'
import { Coming, Empty, Fault } from './states'

const BARS_MAX = 8

export function usePrompt(key: string, days: Days, enabled = true) {
  return useQuery({
    queryKey: ['prompts', 'one', key, days],
    queryFn: async () =>
      (await getPromptsOne({ query: { prompt_key: key, ...days }, throwOnError: true })).data,
    enabled,
  })
}

export const versionText = (version: string | null) => version ?? 'None named'

export function VersionBars({ versions }: { versions: readonly VersionShown[] }) {
  const called = versions.filter((one) => one.requests > 0)
  const told = [...called]
    .sort((a, b) => Number(nanosOf(b.cost_nanos) - nanosOf(a.cost_nanos)) || b.requests - a.requests)
    .slice(0, BARS_MAX)
  if (!told.length) return <p className="state soft">None of its versions was called in these days.</p>
  return (
    <>
      <div className="two bars">
        <Bars title="Cost" versions={told} size={(one) => length(one.cost_nanos)}>
          {(one) => (
            <Money nanos={one.cost_nanos} decimals={places(told.map(({ cost_nanos }) => cost_nanos))} />
          )}
        </Bars>
        <Bars title="Calls" versions={told} size={(one) => one.requests}>
          {(one) => grouped(one.requests)}
        </Bars>
      </div>
      {called.length > told.length && (
        <p className="label">
          The {BARS_MAX} dearest of {called.length}; the table has all.
        </p>
      )}
    </>
  )
}

function Bars({
  title,
  versions,
  size,
  children,
}: {
  title: string
  versions: readonly VersionShown[]
  size: (one: VersionShown) => number
  children: (one: VersionShown) => React.ReactNode
}) {
  const most = Math.max(...versions.map(size), 0)
  return (
    <figure>
      <figcaption className="label">{title}</figcaption>
      <ul>
        {versions.map((one) => (
          <li key={one.version ?? ''}>
            <span className="bar-name" title={versionText(one.version)}>
              {versionText(one.version)}
            </span>
            <span className="bar-room" aria-hidden>
              <i
                style={{
                  width: most > 0 ? `${Math.max((size(one) / most) * 100, 0.5)}%` : 0,
                  background: entityColour('prompt_version', one.version),
                }}
              />
            </span>
            <span className="bar-figure">{children(one)}</span>
          </li>
        ))}
      </ul>
    </figure>
  )
}

const tokens = (one: VersionShown) => one.input_tokens + one.output_tokens
const each = (total: number, count: number) => (count ? Math.round(total / count) : null)

export function versionColumns(
  versions: readonly VersionShown[],
  slug: string,
  range: RangeSearch,
  promptKey: string,
): Column<VersionShown>[] {
  const decimals = places(versions.map((one) => one.cost_nanos))
  const perCall = places(versions.map((one) => one.cost_per_request_nanos ?? '0'))
  const filtersOf = (one: VersionShown): Filter[] => [
    { dimension: 'prompt_key', test: 'is', values: [promptKey] },
    { dimension: 'prompt_version', test: 'is', values: [one.version] },
  ]
  const toCalls = (filters: Filter[], shown: ReactNode) => (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, kind: 'calls', filters }}
    >
      {shown}
    </Link>
  )
  const counted = (
    id: string,
    title: string,
    value: (one: VersionShown) => number | null,
    unit = '',
  ): Column<VersionShown> => ({
    id,
    title,
    number: true,
    wide: true,
    value,
    shown: (one) => {
      const count = value(one)
      return count === null ? <span className="quiet">–</span> : `${grouped(count)}${unit}`
    },
  })
  return [
    {
      id: 'version',
      title: 'Version',
      value: (one) => one.version,
      shown: (one) => (
        <>
          <i className="dot" style={{ background: entityColour('prompt_version', one.version) }} />
          {one.version === null ? <span className="quiet">{versionText(null)}</span> : one.version}
          {one.active && <span className="tag green after">active</span>}
        </>
      ),
    },
    {
      id: 'calls',
      title: 'Calls',
      number: true,
      value: (one) => one.requests,
      shown: (one) => (
        <Link
          className="plain"
          to="/o/$slug/explore"
          params={{ slug }}
          search={{ ...range, group: 'model', filters: filtersOf(one) }}
        >
          {grouped(one.requests)}
        </Link>
      ),
    },
    {
      id: 'cost_nanos',
      title: 'Cost',
      number: true,
      value: (one) => nanosOf(one.cost_nanos),
      shown: (one) => toCalls(filtersOf(one), <Money nanos={one.cost_nanos} decimals={decimals} />),
    },
    {
      id: 'cost_per_call_nanos',
      title: 'Per call',
      number: true,
      value: (one) => (one.cost_per_request_nanos === null ? null : nanosOf(one.cost_per_request_nanos)),
      shown: (one) =>
        one.cost_per_request_nanos === null ? (
          <span className="quiet">–</span>
        ) : (
          <Money nanos={one.cost_per_request_nanos} decimals={perCall} />
        ),
    },
    counted('tokens', 'Tokens', tokens),
    counted('tokens_per_call', 'Tokens a call', (one) => each(tokens(one), one.requests)),
    counted(
      'latency_ms',
      'Latency',
      (one) => (one.latency_mean_us === null ? null : Math.round(one.latency_mean_us / 1000)),
      ' ms',
    ),
    {
      id: 'errors',
      title: 'Errors',
      number: true,
      wide: true,
      value: (one) => one.errors,
      shown: (one) =>
        one.attempts ? (
          toCalls(
            [FAILED, ...filtersOf(one)],
            <>
              {grouped(one.errors)}{' '}
              <span className="quiet">({percent(BigInt(one.errors), BigInt(one.attempts))})</span>
            </>,
          )
        ) : (
          <span className="quiet">–</span>
        ),
    },
  ]
}

export function VersionsCsv({ versions, name }: { versions: readonly VersionShown[]; name: string }) {
  return (
    <AsCsv
      name={`versions-${name.replaceAll(/[^\w.-]+/g, '-')}`}
      columns={versionColumns(versions, '', {}, name)}
      rows={versions}
    />
  )
}

/** The comparison over another page; what it shows it asks for itself. */
export function VersionsDialog({
  promptKey,
  days,
  slug,
  range,
  close,
}: {
  promptKey: string
  days: Days
  slug: string
  range: RangeSearch
  close: () => void
}) {
  const { data, error, refetch } = usePrompt(promptKey, days)
  return (
    <Modal opened onClose={close} title={promptKey} size="xl">
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={5} />
      ) : data.version_list.length === 0 ? (
        <Empty title="No versions yet">Nobody registered one, and no call named one in these days.</Empty>
      ) : (
        <>
          <VersionBars versions={data.version_list} />
          <Book
            caption="Versions compared"
            columns={versionColumns(data.version_list, slug, range, promptKey)}
            rows={data.version_list}
            id={(one) => one.version ?? ''}
          />
          <p className="spread">
            <Link to="/o/$slug/prompts/$key" params={{ slug, key: partOf(promptKey) }} search={range}>
              Open this prompt
            </Link>
            <VersionsCsv versions={data.version_list} name={promptKey} />
          </p>
        </>
      )}
    </Modal>
  )
}
