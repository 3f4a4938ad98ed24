// One key: what is booked through it and on what, how much it may still spend, whose it is, and its end.
import { Button, Menu } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { getBudgets, getExplore, getKeysKeyId, getRequests } from '../api/sdk.gen'
import type { Budget, Key as KeyShown } from '../api/types.gen'
import { inkOf, MODES } from '../budgets'
import { FAILED, type Filter } from '../filters'
import { grouped, money, nanosOf, percent } from '../money'
import { Book, type Column } from '../parts/Book'
import { changeText } from '../parts/Change'
import { Copy } from '../parts/Copy'
import { Dearest } from '../parts/Dearest'
import { Fact, Figure } from '../parts/Figure'
import { nameOf } from '../parts/keynames'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { SpenderLink } from '../parts/SpenderLink'
import { Coming, Empty, Fault } from '../parts/states'
import { atText, dateText } from '../parts/when'
import { type Days, daysOf, labelOf, type RangeSearch, todayIn, wholeDays } from '../range'
import { may, useSession, useZone } from '../session'
import { type Issued, IssuedKey } from './NewKey'
import { Revoke } from './RevokeKey'
import { Rotate } from './RotateKey'

const Trend = lazy(() => import('../parts/Trend'))
const TOLD = 4
const BUDGETS = 200

type Asked = { id: string; slug: string; days: Days; range: RangeSearch }

export default function Key() {
  const { slug, id } = useParams({ from: '/o/$slug/keys/$id' })
  const { zone } = useZone()
  const range = wholeDays(useSearch({ from: '/o/$slug/keys/$id' }), todayIn(zone))
  const makes = may(useSession(), 'owner', 'admin', 'manager', 'member')
  const stops = may(useSession(), 'owner', 'admin')
  const [act, setAct] = useState<'rotate' | 'revoke' | null>(null)
  const [issued, setIssued] = useState<Issued | null>(null)
  const { data, error, refetch } = useQuery({
    queryKey: ['keys', 'one', id],
    queryFn: async () => (await getKeysKeyId({ path: { key_id: id }, throwOnError: true })).data as KeyShown,
  })
  const days = daysOf(range, todayIn(zone))
  const active = data?.status === 'active'
  const close = () => setAct(null)
  return (
    <Page
      title={data ? nameOf(data) : id}
      question="What is booked through this key, and how much may it still spend?"
      actions={
        <>
          <Link to="/o/$slug/keys" params={{ slug }} search={range}>
            All keys
          </Link>
          {data && active && makes && (
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" px="xs" aria-label={`Actions for ${nameOf(data)}`}>
                  <IconDots size={16} />
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => setAct('rotate')}>Rotate…</Menu.Item>
                {stops && (
                  <Menu.Item
                    component={Link}
                    {...({ to: '/o/$slug/stop', params: { slug }, search: { on: `key:${id}` } } as object)}
                  >
                    Stop its calls for a while…
                  </Menu.Item>
                )}
                <Menu.Item color="var(--red)" onClick={() => setAct('revoke')}>
                  Revoke…
                </Menu.Item>
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
        <>
          <Spent id={id} slug={slug} days={days} range={range} />
          <Limits id={id} slug={slug} />
          <Whose apiKey={data} zone={zone} range={range} />
        </>
      )}
      {issued && <IssuedKey issued={issued} close={() => setIssued(null)} />}
      {data && act === 'revoke' && <Revoke keys={[data]} close={close} />}
      {data && act === 'rotate' && (
        <Rotate
          apiKey={data}
          close={close}
          made={(key) => {
            setIssued({ key, replaces: nameOf(data) })
            close()
          }}
        />
      )}
    </Page>
  )
}

function Spent({ id, slug, days, range }: Asked) {
  const filters: Filter[] = [{ dimension: 'key', test: 'is', values: [id] }]
  const calls = { ...range, key: id, kind: 'calls' as const }
  const { zone, known } = useZone()
  const { data, error, refetch } = useQuery({
    queryKey: ['explore', 'course of a key', id, days],
    queryFn: async () =>
      (
        await getExplore({
          query: {
            ...days,
            group: ['model'],
            grain: days.start === days.end ? 'hour' : 'day',
            top: TOLD,
            compare: 'previous',
            filters: JSON.stringify(filters),
          },
          throwOnError: true,
        })
      ).data,
    enabled: known,
  })
  const last = useQuery({
    queryKey: ['requests', 'last of a key', id],
    queryFn: async () =>
      (await getRequests({ query: { key: id, kind: 'all', sort: 'newest', limit: 1 }, throwOnError: true }))
        .data.items[0] ?? null,
  })
  if (error) return <Fault problem={error} retry={refetch} />
  if (!data) return <Coming rows={8} />
  const { total, before } = data
  const toCalls = (more: object, shown: ReactNode) => (
    <Link className="plain" to="/o/$slug/requests" params={{ slug }} search={{ ...calls, ...more }}>
      {shown}
    </Link>
  )
  const named = (more: object, name: string) => (
    <Link to="/o/$slug/requests" params={{ slug }} search={{ ...calls, ...more }}>
      {name}
    </Link>
  )
  return (
    <>
      <div className="figures">
        <Figure label={labelOf(range)} note={before ? changeText(total.cost_nanos, before.cost_nanos) : ''}>
          {toCalls({}, <Money nanos={total.cost_nanos} />)}
        </Figure>
        <Figure
          label="Calls"
          note={total.requests ? `${money(nanosOf(total.cost_nanos) / BigInt(total.requests))} each` : ''}
        >
          {toCalls({}, grouped(total.requests))}
        </Figure>
        <Figure
          label="Errors"
          note={total.requests ? `${percent(BigInt(total.errors), BigInt(total.requests))} of the calls` : ''}
        >
          {toCalls({ filters: [FAILED] }, grouped(total.errors))}
        </Figure>
        <Figure label="Last used" note={last.data ? atText(last.data.at, zone).split(' ').at(-1) : ''}>
          {last.data ? (
            <Link className="plain" to="/o/$slug/requests/$id" params={{ slug, id: last.data.id }}>
              {dateText(last.data.at, zone)}
            </Link>
          ) : last.data === null ? (
            'never'
          ) : (
            '–'
          )}
        </Figure>
      </div>
      <Section
        title="Spend by model"
        end={
          <Link to="/o/$slug/explore" params={{ slug }} search={{ ...range, group: 'model', filters }}>
            Explore
          </Link>
        }
      >
        {total.requests === 0 ? (
          <Empty title="Nothing was called in these days">Another range is chosen top right.</Empty>
        ) : (
          <Suspense fallback={<div className="chart" />}>
            <Trend explored={data} slug={slug} range={range} filters={filters} />
          </Suspense>
        )}
      </Section>
      {total.requests > 0 && (
        <div className="two">
          <Dearest
            title="Dearest models"
            group="model"
            days={days}
            filters={filters}
            none="Unknown model"
            link={(name) => named({ served_model: name }, name)}
          />
          <Dearest
            title="Dearest users"
            group="user"
            days={days}
            filters={filters}
            none="Nobody named"
            link={(name) => <SpenderLink whose={{ kind: 'user', name }} range={range} />}
          />
          <Dearest
            title="Dearest prompts"
            group="prompt_key"
            days={days}
            filters={filters}
            none="No prompt named"
            link={(name) => named({ prompt_key: name }, name)}
          />
        </div>
      )}
    </>
  )
}

/** The budgets on this key alone; those of its team and project are theirs. */
function Limits({ id, slug }: { id: string; slug: string }) {
  const sets = may(useSession(), 'owner', 'admin', 'finance', 'manager')
  const { data, error } = useQuery({
    queryKey: ['budgets', 'of key', id],
    queryFn: async () =>
      (await getBudgets({ query: { limit: BUDGETS }, throwOnError: true })).data.items.filter(
        (one) => one.scope === 'key' && (one.value === id || one.value === '*'),
      ),
  })
  if (error) return <Fault problem={error} />
  if (!data) return null
  return (
    <Section
      title="Limits"
      end={
        sets && (
          <Link to="/o/$slug/budgets" params={{ slug }} search={{ new: true }}>
            Set a budget
          </Link>
        )
      }
    >
      {data.length ? (
        <Book
          caption="Limits"
          columns={limitColumns(id, slug)}
          rows={data}
          id={(budget) => String(budget.id)}
        />
      ) : (
        <p className="nothing">
          No budget is on this key alone; those of its team and project hold for it too. With one, its calls
          are counted against a limit: <code>tallystick budgets set --key {id} --limit 50/month</code>
        </p>
      )}
    </Section>
  )
}

function limitColumns(id: string, slug: string): Column<Budget>[] {
  const used = (budget: Budget) => budget.nodes.find((node) => node.subject === id)?.used_percent ?? 0
  return [
    {
      id: 'budget',
      title: 'Budget',
      value: (budget) => budget.name || budget.value,
      shown: (budget) => (
        <>
          <Link className="key-name" to="/o/$slug/budgets/$id" params={{ slug, id: String(budget.id) }}>
            {budget.name || (budget.value === '*' ? 'Each key' : 'This key')}
          </Link>
          <span className="label beside">
            {budget.window === 'total' ? 'in all' : `each ${budget.window}`}
          </span>
        </>
      ),
    },
    {
      id: 'mode',
      title: 'Mode',
      value: (budget) => budget.mode,
      shown: (budget) => MODES[budget.mode],
      wide: true,
    },
    {
      id: 'used',
      title: 'Used',
      value: used,
      shown: (budget) => (
        <span className="used">
          <span className="meter" aria-hidden>
            <i style={{ width: `${Math.min(100, used(budget))}%`, background: inkOf(used(budget)) }} />
          </span>
          <span>{used(budget).toFixed(1)} %</span>
        </span>
      ),
    },
    {
      id: 'limit',
      title: 'Limit',
      number: true,
      value: (budget) => String(budget[`limit_${budget.unit === 'money' ? 'nanos' : budget.unit}`]),
      shown: (budget) =>
        budget.unit === 'money' ? (
          <Money nanos={String(budget.limit_nanos)} />
        ) : (
          `${grouped(Number(budget[`limit_${budget.unit}`]))} ${budget.unit}`
        ),
    },
  ]
}

function Whose({ apiKey: key, zone, range }: { apiKey: KeyShown; zone: string; range: RangeSearch }) {
  const team = key.team ?? undefined
  return (
    <Section title="What it stands for">
      <dl className="facts">
        <Fact name="Status">
          {key.status === 'active' ? (
            <span className="tag green">Active</span>
          ) : (
            <span className="tag">{key.status === 'revoked' ? 'Revoked' : 'Expired'}</span>
          )}
          {key.expires_at && <span className="label beside">until {dateText(key.expires_at, zone)}</span>}
        </Fact>
        <Fact name="Key">{key.preview && <code>{key.preview}</code>}</Fact>
        <Fact name="Id">
          <code>{key.id}</code> <Copy text={key.id} what="the id" />
        </Fact>
        <Fact name="Team">{team && <SpenderLink whose={{ kind: 'team', name: team }} range={range} />}</Fact>
        <Fact name="Project">
          {key.project && <SpenderLink whose={{ kind: 'project', name: key.project, team }} range={range} />}
        </Fact>
        <Fact name="User">
          {key.user && <SpenderLink whose={{ kind: 'user', name: key.user }} range={range} />}
        </Fact>
        <Fact name="Agent">
          {key.agent && <SpenderLink whose={{ kind: 'agent', name: key.agent }} range={range} />}
        </Fact>
        <Fact name="Environment">{key.environment}</Fact>
        <Fact name="Cost centre">{key.cost_center}</Fact>
        <Fact name="Made">
          {dateText(key.created_at, zone)}
          {key.created_by && <span className="label beside">by {key.created_by}</span>}
        </Fact>
      </dl>
    </Section>
  )
}
