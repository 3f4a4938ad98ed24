// One team, project, user or agent: what it cost and on what, its limits, keys and people. Every figure leads to its rows.
import { Button, Menu } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { getExplore, getSpendersOne } from '../api/sdk.gen'
import type { OneSpender } from '../api/types.gen'
import { FAILED } from '../filters'
import { grouped, money, nanosOf, percent } from '../money'
import { changeText } from '../parts/Change'
import { Dearest } from '../parts/Dearest'
import { Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Coming, Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { type Days, daysOf, labelOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { callsOf, filtersOf, KINDS, type Kind, type Whose } from '../spenders'
import { AgentLimits } from './agentparts'
import { keyOf, partOf } from './promptsearch'
import { Runs } from './runs'
import { MoveProject, RenameTeam, StopAgent } from './spenderforms'
import { Limits, ProjectsOf, TheirKeys, TheirPeople } from './spenderparts'
import type { Act, SpenderSearch } from './spendersearch'

const Trend = lazy(() => import('../parts/Trend'))
const TOLD = 4

export const Team = () => <Spender kind="team" />
export const Project = () => <Spender kind="project" />
export const User = () => <Spender kind="user" />
export const Agent = () => <Spender kind="agent" />

type Part = { whose: Whose; one: OneSpender; days: Days; range: RangeSearch; slug: string }

function Spender({ kind }: { kind: Kind }) {
  const { slug, name, team } = useParams({ strict: false }) as { slug: string; name: string; team?: string }
  const search = useSearch({ strict: false }) as SpenderSearch
  const navigate = useNavigate()
  const session = useSession()
  const { zone, known } = useZone()
  const days = daysOf(search, todayIn(zone))
  const asked: Whose = { kind, name: keyOf(name), team: team && keyOf(team) }
  const { data, error, refetch } = useQuery({
    queryKey: ['spenders', 'one', asked, days],
    queryFn: async () =>
      (
        await getSpendersOne({
          query: { kind, name: asked.name, ...(asked.team ? { team: asked.team } : {}), ...days },
          throwOnError: true,
        })
      ).data,
    enabled: known,
  })
  // A team is found by a name that it had, and shown under the one it has.
  const whose: Whose = data ? { kind, name: data.name, team: data.team ?? undefined } : asked
  const range = wholeDays(search, todayIn(zone))
  const open = (act: Act) =>
    navigate({ to: '.', search: ((before: SpenderSearch) => ({ ...before, act })) as never })
  const close = () =>
    navigate({ to: '.', search: (({ act: _, ...before }: SpenderSearch) => before) as never })
  const acts = data ? actsOf(kind, data, may(session, 'owner', 'admin'), may(session, 'manager')) : []
  return (
    <Page
      title={whose.name}
      question={<Said kind={kind} one={data} zone={zone} />}
      actions={
        <>
          <AllOf kind={kind} slug={slug} range={range} />
          {acts.length > 0 && (
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" px="xs" aria-label={`Actions for ${whose.name}`}>
                  <IconDots size={16} />
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {acts.map(({ act, text }) => (
                  <Menu.Item
                    key={act}
                    onClick={() => open(act)}
                    {...(act === 'stop' ? { color: 'var(--red)' } : {})}
                  >
                    {text}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
          )}
        </>
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={10} />
      ) : (
        <Shown whose={whose} one={data} days={days} range={range} slug={slug} />
      )}
      {data && acts.some(({ act }) => act === search.act) && (
        <>
          {search.act === 'rename' && (
            <RenameTeam
              team={whose.name}
              close={close}
              done={(to) =>
                navigate({
                  to: '/o/$slug/teams/$name',
                  params: { slug, name: partOf(to) },
                  search: range,
                  replace: true,
                })
              }
            />
          )}
          {search.act === 'move' && (
            <MoveProject
              project={data}
              close={close}
              done={(to) =>
                navigate({
                  to: '/o/$slug/projects/$team/$name',
                  params: { slug, team: partOf(to), name: partOf(whose.name) },
                  search: range,
                })
              }
            />
          )}
          {search.act === 'stop' && <StopAgent agent={whose.name} close={close} />}
        </>
      )}
    </Page>
  )
}

function actsOf(kind: Kind, one: OneSpender, admin: boolean, manager: boolean): { act: Act; text: string }[] {
  if (kind === 'team' && admin && one.name !== 'default') return [{ act: 'rename', text: 'Rename…' }]
  if (kind === 'project' && (admin || manager) && one.moved_to === null)
    return [{ act: 'move', text: 'Move to another team…' }]
  if (kind === 'agent' && admin) return [{ act: 'stop', text: 'Stop agent…' }]
  return []
}

function Said({ kind, one, zone }: { kind: Kind; one: OneSpender | undefined; zone: string }) {
  return (
    <>
      {KINDS[kind].own}
      {one && kind === 'project' && one.moved_to === null && (
        <>
          {' It is '}
          <SpenderLink whose={{ kind: 'team', name: one.team ?? 'default' }} />
          {'’s.'}
        </>
      )}
      {one && one.former_names.length > 0 && ` It was called ${one.former_names.join(', ')} before.`}
      {one && one.moved_to !== null && (
        <>
          {` It was ${one.team}’s until ${one.moved_at ? atText(one.moved_at, zone) : 'it moved'}; its calls are now `}
          <SpenderLink whose={{ kind: 'project', name: one.name, team: one.moved_to }}>
            {one.moved_to}’s
          </SpenderLink>
          .
        </>
      )}
    </>
  )
}

function AllOf({ kind, slug, range }: { kind: Kind; slug: string; range: RangeSearch }) {
  const to = {
    team: '/o/$slug/teams',
    project: '/o/$slug/projects',
    user: '/o/$slug/users',
    agent: '/o/$slug/agents',
  } as const
  return (
    <Link to={to[kind]} params={{ slug }} search={range}>
      All {KINDS[kind].many.toLowerCase()}
    </Link>
  )
}

function Shown({ whose, one, days, range, slug }: Part) {
  const { kind } = whose
  const filters = filtersOf(whose)
  const calls = { ...range, ...callsOf(whose) }
  const requests = (more: object, name: string) => (
    <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, ...more }}>
      {name}
    </Link>
  )
  return (
    <>
      <div className="figures">
        <Figure label={labelOf(range)} note={changeText(one.cost_nanos, one.before_cost_nanos)}>
          <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={calls}>
            <Money nanos={one.cost_nanos} />
          </Link>
        </Figure>
        <Figure label="Calls" note={each(one)}>
          <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={calls}>
            {grouped(one.requests)}
          </Link>
        </Figure>
        <Figure
          label="Errors"
          note={one.requests ? `${percent(BigInt(one.errors), BigInt(one.requests))} of the calls` : ''}
        >
          <Link
            className="plain"
            to="/o/$slug/requests"
            params={{ slug }}
            search={{ ...calls, filters: [FAILED] }}
          >
            {grouped(one.errors)}
          </Link>
        </Figure>
        <Figure label="Active keys" note="bound to it">
          {grouped(one.keys)}
        </Figure>
        {one.members !== null && (
          <Figure label="Members" note="of this team">
            {grouped(one.members)}
          </Figure>
        )}
      </div>
      <Course whose={whose} one={one} days={days} range={range} slug={slug} />
      {(kind === 'agent' || kind === 'user') && <Runs {...{ whose, one, days, range, slug }} />}
      <Limits whose={whose} one={one} />
      {kind === 'agent' && <AgentLimits agent={whose.name} />}
      {kind === 'team' && <ProjectsOf team={whose.name} days={days} range={range} />}
      <div className="two">
        <Dearest
          title="Dearest models"
          group="model"
          days={days}
          filters={filters}
          none="Unknown model"
          link={(name) => requests({ served_model: name }, name)}
        />
        {kind !== 'user' && (
          <Dearest
            title="Dearest users"
            group="user"
            days={days}
            filters={filters}
            none="Nobody named"
            link={(name) => <SpenderLink whose={{ kind: 'user', name }} range={range} />}
          />
        )}
        <Dearest
          title="Dearest prompts"
          group="prompt_key"
          days={days}
          filters={filters}
          none="No prompt named"
          link={(name) => requests({ prompt_key: name }, name)}
        />
        {kind !== 'agent' && (
          <Dearest
            title="Dearest agents"
            group="agent"
            days={days}
            filters={filters}
            none="No agent named"
            link={(name) => <SpenderLink whose={{ kind: 'agent', name }} range={range} />}
          />
        )}
      </div>
      <TheirKeys whose={whose} one={one} />
      {one.people !== null && kind === 'team' && <TheirPeople people={one.people} />}
    </>
  )
}

function Course({ whose, one, days, range, slug }: Part) {
  const { data, error } = useQuery({
    queryKey: ['explore', 'course', whose, days],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...days,
            group: ['model'],
            grain: days.start === days.end ? 'hour' : 'day',
            top: TOLD,
            filters: JSON.stringify(filtersOf(whose)),
          },
          throwOnError: true,
        })
      ).data,
    enabled: one.requests > 0,
  })
  const explore = (
    <Link
      to="/o/$slug/explore"
      params={{ slug }}
      search={{ ...range, group: 'model', filters: filtersOf(whose) }}
    >
      Explore
    </Link>
  )
  return (
    <Section title="Spend by model" end={one.requests > 0 ? explore : undefined}>
      {one.requests === 0 ? (
        <Empty title="Nothing was called in these days">Another range is chosen top right.</Empty>
      ) : error ? (
        <Fault problem={error} />
      ) : (
        <Suspense fallback={<div className="chart" />}>
          {data ? (
            <Trend explored={data} slug={slug} range={range} filters={filtersOf(whose)} />
          ) : (
            <div className="chart" />
          )}
        </Suspense>
      )}
    </Section>
  )
}

const each = (one: OneSpender) =>
  one.requests ? `${money(nanosOf(one.cost_nanos) / BigInt(one.requests))} each` : 'none in these days'
