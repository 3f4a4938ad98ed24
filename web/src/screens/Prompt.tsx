// One prompt: what it cost, its versions beside each other, and what each of them stands for.
import { Button, Menu } from '@mantine/core'
import { IconDots, IconPlus } from '@tabler/icons-react'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { putPromptsActive } from '../api/sdk.gen'
import type { OnePrompt, VersionShown } from '../api/types.gen'
import { FAILED } from '../filters'
import { grouped, money, percent } from '../money'
import { Book, type Column } from '../parts/Book'
import { Fact, Figure } from '../parts/Figure'
import { useChange } from '../parts/FormDialog'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { Coming, Fault } from '../parts/states'
import { Tags } from '../parts/Tags'
import { usePrompt, VersionBars, VersionsCsv, versionColumns } from '../parts/Versions'
import { atText, dateText } from '../parts/when'
import { daysOf, labelOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { AddVersion, ChangeWords, ForgetPrompt, KEEPERS } from './promptforms'
import { type Act, keyOf, type PromptSearch } from './promptsearch'

export default function Prompt() {
  const { slug, key: part } = useParams({ from: '/o/$slug/prompts/$key' })
  const search = useSearch({ from: '/o/$slug/prompts/$key' })
  const navigate = useNavigate({ from: '/o/$slug/prompts/$key' })
  const { zone, known } = useZone()
  const keeps = may(useSession(), ...KEEPERS)
  const key = keyOf(part)
  const range = wholeDays(search, todayIn(zone))
  const { data, error, refetch } = usePrompt(key, daysOf(search, todayIn(zone)), known)
  const open = (act: Act) => navigate({ search: (before: PromptSearch) => ({ ...before, act }) })
  const close = () => navigate({ search: ({ act: _, ...before }: PromptSearch) => before })
  return (
    <Page
      title={key}
      question="What does this prompt cost, and which of its versions is the better deal?"
      actions={
        <>
          <Link to="/o/$slug/prompts" params={{ slug }} search={range}>
            All prompts
          </Link>
          {data && keeps && (
            <>
              <Button leftSection={<IconPlus size={16} />} onClick={() => open('version')}>
                Add version
              </Button>
              <Menu position="bottom-end">
                <Menu.Target>
                  <Button variant="default" px="xs" aria-label={`Actions for ${key}`}>
                    <IconDots size={16} />
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => open('words')}>Owner, tags and note…</Menu.Item>
                  {data.registered && (
                    <Menu.Item color="var(--red)" onClick={() => open('forget')}>
                      Forget…
                    </Menu.Item>
                  )}
                </Menu.Dropdown>
              </Menu>
            </>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={10} />
      ) : (
        <Shown
          prompt={data}
          slug={slug}
          range={range}
          keeps={keeps}
          sort={search.sort}
          onSort={(sort) =>
            navigate({
              search: (before: PromptSearch) => ({ ...before, sort }) as PromptSearch,
              replace: true,
            })
          }
        />
      )}
      {data && keeps && search.act === 'version' && <AddVersion prompt={data} close={close} />}
      {data && keeps && search.act === 'words' && <ChangeWords prompt={data} close={close} />}
      {data && keeps && search.act === 'forget' && (
        <ForgetPrompt
          prompt={data}
          close={close}
          gone={() => navigate({ to: '/o/$slug/prompts', params: { slug }, search: range })}
        />
      )}
    </Page>
  )
}

type Asked = {
  prompt: OnePrompt
  slug: string
  range: RangeSearch
  keeps: boolean
  sort: string | undefined
  onSort: (sort: string | undefined) => void
}

function Shown({ prompt, slug, range, keeps, sort, onSort }: Asked) {
  const { zone } = useZone()
  const who = useWho()
  const toCalls = (more: object, shown: ReactNode) => (
    <Link
      className="plain"
      to="/o/$slug/requests"
      params={{ slug }}
      search={{ ...range, kind: 'calls', prompt_key: prompt.prompt_key, ...more }}
    >
      {shown}
    </Link>
  )
  return (
    <>
      <div className="figures">
        <Figure label={labelOf(range)} note={each(prompt)}>
          {toCalls({}, <Money nanos={prompt.cost_nanos} />)}
        </Figure>
        <Figure label="Calls" note={`${grouped(prompt.input_tokens + prompt.output_tokens)} tokens`}>
          {toCalls({}, grouped(prompt.requests))}
        </Figure>
        <Figure label="Latency" note="of an attempt, on average">
          {prompt.latency_mean_us === null ? '–' : `${grouped(Math.round(prompt.latency_mean_us / 1000))} ms`}
        </Figure>
        <Figure
          label="Errors"
          note={prompt.attempts ? `${grouped(prompt.errors)} of ${grouped(prompt.attempts)} attempts` : ''}
        >
          {prompt.attempts
            ? toCalls({ filters: [FAILED] }, percent(BigInt(prompt.errors), BigInt(prompt.attempts)))
            : '–'}
        </Figure>
      </div>

      <Section
        title="Versions compared"
        end={<VersionsCsv versions={prompt.version_list} name={prompt.prompt_key} />}
      >
        <VersionBars versions={prompt.version_list} />
        {prompt.version_list.length > 0 && (
          <Book
            caption="Versions compared"
            columns={versionColumns(prompt.version_list, slug, range, prompt.prompt_key)}
            rows={prompt.version_list}
            id={(one) => one.version ?? ''}
            sort={sort}
            onSort={onSort}
          />
        )}
      </Section>

      <Registered prompt={prompt} keeps={keeps} zone={zone} />

      <Section title="About it">
        <dl className="facts">
          <Fact name="Known from">
            {prompt.registered ? 'registered here' : 'calls that name it; nobody registered it'}
          </Fact>
          <Fact name="Owner">{prompt.owner}</Fact>
          <Fact name="Approved">
            {prompt.approved.length === 0 ? (
              ''
            ) : (
              <Link to="/o/$slug/library" params={{ slug }} search={{ q: prompt.prompt_key }}>
                version {prompt.approved.join(', ')}
              </Link>
            )}
          </Fact>
          <Fact name="Tags">{prompt.tags.length ? <Tags tags={prompt.tags} /> : ''}</Fact>
          <Fact name="Note">{prompt.note}</Fact>
          <Fact name="Registered">
            {prompt.created_at && `${atText(prompt.created_at, zone)} by ${who(prompt.created_by ?? '')}`}
          </Fact>
        </dl>
      </Section>
    </>
  )
}

function Registered({ prompt, keeps, zone }: { prompt: OnePrompt; keeps: boolean; zone: string }) {
  const { busy, problem, send } = useChange('prompts')
  const who = useWho()
  const registered = prompt.version_list.filter((one) => one.registered)
  const activate = (version: string | null) =>
    send(
      () => putPromptsActive({ body: { prompt_key: prompt.prompt_key, version }, throwOnError: true }),
      version === null
        ? 'No version is active: calls that name none are booked on none.'
        : `Version ${version} is active: calls that name none are booked on it from now on.`,
    )
  return (
    <Section title="What each version stands for">
      {problem !== null && <Fault problem={problem} />}
      {registered.length === 0 ? (
        <p className="state soft">
          Nobody registered a version. A registered one says which model, temperature and length it means; the
          active one is booked where a call names the prompt alone.
        </p>
      ) : (
        <>
          <Book
            caption="What each version stands for"
            columns={registeredColumns(zone, who, keeps && !busy ? activate : null)}
            rows={registered}
            id={(one) => one.version ?? ''}
          />
          <p className="label below">
            {prompt.active_version === null
              ? 'None is active: calls that name no version are booked on none.'
              : `Calls that name no version are booked on ${prompt.active_version}, and say that it was assumed.`}
            {prompt.active_version !== null && keeps && (
              <>
                {' '}
                <Button variant="subtle" size="compact-xs" onClick={() => activate(null)}>
                  Make none active
                </Button>
              </>
            )}
          </p>
        </>
      )}
    </Section>
  )
}

function registeredColumns(
  zone: string,
  who: (id: string) => string,
  activate: ((version: string) => void) | null,
): Column<VersionShown>[] {
  const columns: Column<VersionShown>[] = [
    {
      id: 'version',
      title: 'Version',
      value: (one) => one.version,
      shown: (one) => (
        <>
          {one.version}
          {one.active && <span className="tag green after">active</span>}
        </>
      ),
    },
    { id: 'model', title: 'Model', value: (one) => one.model },
    { id: 'temperature', title: 'Temperature', value: (one) => one.temperature, number: true, wide: true },
    {
      id: 'max_tokens',
      title: 'Most output',
      value: (one) => one.max_tokens,
      shown: (one) => (one.max_tokens === null ? <span className="quiet">–</span> : grouped(one.max_tokens)),
      number: true,
      wide: true,
    },
    { id: 'note', title: 'Note', value: (one) => one.note || null, wide: true },
    {
      id: 'added',
      title: 'Added',
      value: (one) => one.created_at,
      shown: (one) => one.created_at && `${dateText(one.created_at, zone)} by ${who(one.created_by ?? '')}`,
      wide: true,
    },
  ]
  if (activate)
    columns.push({
      id: 'activate',
      title: 'Make active',
      unnamed: true,
      unsorted: true,
      value: () => null,
      shown: (one) =>
        one.active ? (
          ''
        ) : (
          <Button
            variant="subtle"
            size="compact-sm"
            aria-label={`Make version ${one.version} active`}
            onClick={() => activate(one.version as string)}
          >
            Make active
          </Button>
        ),
    })
  return columns
}

const each = (prompt: OnePrompt) =>
  prompt.cost_per_request_nanos === null ? 'no calls' : `${money(prompt.cost_per_request_nanos)} a call`
