// The prompts that calls name and that somebody registered: what each costs, whether that grows, and which version is active.
import { Button, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconPlus, IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { getPrompts } from '../api/sdk.gen'
import type { PromptListed } from '../api/types.gen'
import { grouped, nanosOf, places } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Change } from '../parts/Change'
import { Snippet } from '../parts/Copy'
import { Money } from '../parts/Money'
import { Page } from '../parts/Page'
import { Spark } from '../parts/Spark'
import { Coming, Empty, Fault } from '../parts/states'
import { Tags } from '../parts/Tags'
import { type Days, daysOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { KEEPERS, RegisterPrompt } from './promptforms'
import { type PromptsSearch, partOf } from './promptsearch'

const PAGE = 100
const SEARCH_MS = 250

export default function Prompts() {
  const search = useSearch({ from: '/o/$slug/prompts' })
  const { slug } = useParams({ from: '/o/$slug/prompts' })
  const navigate = useNavigate({ from: '/o/$slug/prompts' })
  const { zone, known } = useZone()
  const keeps = may(useSession(), ...KEEPERS)
  const [typed, setTyped] = useState(search.q ?? '')
  const days = daysOf(search, todayIn(zone))
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = usePrompts(
    days,
    search.q,
    known,
  )
  const prompts = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  const columns = useMemo(
    () => columnsOf(slug, wholeDays(search, todayIn(zone)), prompts),
    [slug, search, zone, prompts],
  )
  const set = (more: Partial<PromptsSearch>, replace = false) =>
    navigate({ search: (before: PromptsSearch) => without({ ...before, ...more }), replace })
  const seek = useDebouncedCallback((q: string) => set({ q }, true), SEARCH_MS)
  const first = data?.pages[0]

  return (
    <Page
      title="Prompts"
      question="Which prompts cost what, and is it growing?"
      actions={
        <>
          <Link to="/o/$slug/prompts/builder" params={{ slug }}>
            Prompt Builder
          </Link>
          <AsCsv name="prompts" columns={columns} rows={prompts} />
          {keeps && (
            <Button leftSection={<IconPlus size={16} />} onClick={() => set({ new: true })}>
              Register prompt
            </Button>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !first ? (
        <Coming rows={8} />
      ) : first.matching === 0 && !search.q ? (
        <None />
      ) : (
        <>
          <div className="chips">
            <TextInput
              data-filter
              aria-label="Filter prompts"
              placeholder="Filter by key, owner or tag"
              leftSection={<IconSearch size={16} />}
              w={300}
              maw="100%"
              value={typed}
              onChange={(event) => {
                setTyped(event.currentTarget.value)
                seek(event.currentTarget.value)
              }}
            />
          </div>
          {prompts.length === 0 ? (
            <Empty
              title="No prompt matches"
              action={
                <Button
                  variant="default"
                  onClick={() => {
                    setTyped('')
                    set({ q: '' })
                  }}
                >
                  Show all prompts
                </Button>
              }
            >
              None has “{search.q}” in its key, owner or tags.
            </Empty>
          ) : (
            <Book
              caption="Prompts"
              columns={columns}
              rows={prompts}
              id={(prompt) => prompt.prompt_key}
              sort={search.sort ?? '-cost'}
              onSort={(sort) =>
                navigate({
                  search: (before: PromptsSearch) => ({ ...before, sort }) as PromptsSearch,
                  replace: true,
                })
              }
            />
          )}
          {hasNextPage && (
            <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
              More prompts ({grouped(prompts.length)} of {grouped(first.matching)})
            </Button>
          )}
          {first.unnamed.requests > 0 && !search.q && (
            <p className="label below" data-unnamed>
              {grouped(first.unnamed.requests)} more calls named no prompt and cost{' '}
              <Money nanos={first.unnamed.cost_nanos} />.
            </p>
          )}
        </>
      )}
      {search.new && keeps && (
        <RegisterPrompt
          close={() => set({ new: undefined })}
          made={(key) =>
            navigate({ to: '/o/$slug/prompts/$key', params: { slug, key: partOf(key) }, search: {} })
          }
        />
      )}
    </Page>
  )
}

function without(search: PromptsSearch): PromptsSearch {
  return Object.fromEntries(
    Object.entries(search).filter(([, value]) => value !== undefined && value !== ''),
  ) as PromptsSearch
}

function usePrompts(days: Days, contains: string | undefined, known: boolean) {
  return useInfiniteQuery({
    queryKey: ['prompts', 'list', days, contains ?? ''],
    queryFn: async ({ pageParam }) =>
      (
        await getPrompts({
          query: {
            ...days,
            limit: PAGE,
            contains: contains ?? '',
            ...(pageParam ? { cursor: pageParam } : {}),
          },
          throwOnError: true,
        })
      ).data,
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    enabled: known,
  })
}

function columnsOf(
  slug: string,
  range: RangeSearch,
  prompts: readonly PromptListed[],
): Column<PromptListed>[] {
  const decimals = places(prompts.map((one) => one.cost_nanos))
  const each = places(prompts.map((one) => one.cost_per_request_nanos ?? '0'))
  const toCalls = (one: PromptListed, shown: ReactNode) => (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, kind: 'calls', prompt_key: one.prompt_key }}
    >
      {shown}
    </Link>
  )
  return [
    {
      id: 'prompt',
      title: 'Prompt',
      value: (one) => one.prompt_key,
      shown: (one) => <Named prompt={one} slug={slug} range={range} />,
    },
    {
      id: 'active_version',
      title: 'Active version',
      value: (one) => one.active_version,
      wide: true,
    },
    {
      id: 'calls',
      title: 'Calls',
      number: true,
      wide: true,
      value: (one) => one.requests,
      shown: (one) => toCalls(one, grouped(one.requests)),
    },
    {
      id: 'cost',
      title: 'Cost',
      number: true,
      value: (one) => nanosOf(one.cost_nanos),
      shown: (one) => toCalls(one, <Money nanos={one.cost_nanos} decimals={decimals} />),
    },
    {
      id: 'cost_per_call',
      title: 'Per call',
      number: true,
      wide: true,
      value: (one) => (one.cost_per_request_nanos === null ? null : nanosOf(one.cost_per_request_nanos)),
      shown: (one) =>
        one.cost_per_request_nanos === null ? (
          <span className="quiet">–</span>
        ) : (
          <Money nanos={one.cost_per_request_nanos} decimals={each} />
        ),
    },
    {
      id: 'change',
      title: 'Change',
      number: true,
      wide: true,
      value: (one) => nanosOf(one.cost_nanos) - nanosOf(one.before_nanos),
      shown: (one) => <Change now={one.cost_nanos} before={one.before_nanos} />,
    },
    {
      id: 'trend',
      title: 'Trend',
      unsorted: true,
      wide: true,
      value: (one) => one.trend.join(' '),
      shown: (one) => <Spark values={one.trend} />,
    },
    {
      id: 'approved',
      title: 'Approved',
      value: (one) => one.approved.join(', ') || null,
      shown: (one) =>
        one.approved.length ? (
          <span className="tag green">{one.approved.join(', ')}</span>
        ) : (
          <span className="quiet">–</span>
        ),
      wide: true,
    },
    { id: 'owner', title: 'Owner', value: (one) => one.owner || null, wide: true },
    {
      id: 'tags',
      title: 'Tags',
      value: (one) => one.tags.join(', ') || null,
      shown: (one) => <Tags tags={one.tags} />,
      wide: true,
    },
    {
      id: 'registered',
      title: 'Known from',
      value: (one) => (one.registered ? 'registered' : 'calls'),
      wide: true,
    },
  ]
}

function Named({ prompt, slug, range }: { prompt: PromptListed; slug: string; range: RangeSearch }) {
  return (
    <Link
      className="key-name"
      to="/o/$slug/prompts/$key"
      params={{ slug, key: partOf(prompt.prompt_key) }}
      search={range}
    >
      {prompt.prompt_key}
    </Link>
  )
}

function None() {
  return (
    <Empty title="No prompts yet">
      <p>
        A call that names its prompt makes it known here; nobody has to register anything. The version is
        optional.
      </p>
      <Snippet
        what="the call"
        text={`curl ${window.location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer $TALLYSTICK_KEY" \\
  -H 'X-Tallystick-Prompt-Key: support/summary' \\
  -H 'X-Tallystick-Prompt-Version: 1' \\
  -H 'X-Tallystick-Sandbox: true' \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`}
      />
    </Empty>
  )
}
