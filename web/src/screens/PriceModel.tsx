// One model's prices: every rate with its dates, conditions and source, what was agreed over it, and what a usage of it costs.
import { Button, NumberInput, Switch, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { getPricesCalculation, getPricesModel } from '../api/sdk.gen'
import type { ModelPrices, RateRow } from '../api/types.gen'
import type { CallLine } from '../calls'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Dollars, decimalsOf } from '../parts/Dollars'
import { Figure } from '../parts/Figure'
import { Money } from '../parts/Money'
import { Page, Section } from '../parts/Page'
import { Coming, Fault } from '../parts/states'
import { may, useSession } from '../session'
import { NewOverride } from './NewOverride'
import { Overrides } from './Overrides'
import { type ModelSearch, perName, unitName } from './pricesearch'
import { useProviderIds } from './providerlist'

export default function PriceModel() {
  const search = useSearch({ from: '/o/$slug/prices/model' })
  const { slug } = useParams({ from: '/o/$slug/prices/model' })
  const navigate = useNavigate({ from: '/o/$slug/prices/model' })
  const session = useSession()
  const sets = may(session, 'owner', 'admin', 'finance')
  const providers = useProviderIds()
  const { provider, model } = search
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['prices', 'model', provider, model],
    queryFn: async () => (await getPricesModel({ query: { provider, model }, throwOnError: true })).data,
  })
  const open = (on: boolean) =>
    navigate({
      search: ({ provider, model }: ModelSearch) => ({ provider, model, ...(on ? { new: true } : {}) }),
    })
  return (
    <Page
      title={data?.model ?? model}
      question={
        <>
          What {provider} charges for it, and what we pay.{' '}
          <Link to="/o/$slug/prices" params={{ slug }}>
            All prices
          </Link>
        </>
      }
      actions={
        sets && (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => open(true)}>
            Set override
          </Button>
        )
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : isPending ? (
        <Coming rows={8} />
      ) : (
        <>
          <div className="figures">
            <Figure label="Context" note="tokens in and out together">
              {data.context_window === null ? '–' : grouped(data.context_window)}
            </Figure>
            <Figure label="Longest answer" note="tokens">
              {data.output_max === null ? '–' : grouped(data.output_max)}
            </Figure>
            <Figure
              label="Names"
              note={data.names
                .filter((name) => name !== data.model)
                .slice(0, 4)
                .join(', ')}
            >
              {data.names.length || 1}
            </Figure>
          </div>
          <Calculator key={`${provider} ${model}`} prices={data} />
          <Rates prices={data} />
          {data.overrides.length > 0 && <Overrides overrides={data.overrides} ends={sets} slug={slug} />}
          {data.factors.length > 0 && (
            <Section title="Multipliers" end="on the rates, where a call is served so">
              <dl className="facts">
                {data.factors.map((one) => (
                  <div key={`${one.when} ${one.scope}`} className="pair">
                    <dt>{one.when.replace('=', ' ')}</dt>
                    <dd>
                      × {one.factor} <span className="label">{unitName(one.scope)}</span>
                    </dd>
                  </div>
                ))}
              </dl>
            </Section>
          )}
        </>
      )}
      {search.new && sets && (
        <NewOverride provider={provider} model={model} providers={providers} close={() => open(false)} />
      )}
    </Page>
  )
}

function Rates({ prices }: { prices: ModelPrices }) {
  const [past, setPast] = useState(false)
  const rows = prices.rows.filter((row) => past || row.holds)
  const hidden = prices.rows.length - prices.rows.filter((row) => row.holds).length
  const columns = useMemo(
    (): Column<RateRow>[] => [
      { id: 'unit', title: 'Unit', value: (row) => unitName(row.unit) },
      {
        id: 'price',
        title: 'Price',
        value: (row) => row.price,
        shown: (row) => (
          <Dollars rate={row.price} decimals={decimalsOf(prices.rows.map((one) => one.price))} />
        ),
        number: true,
      },
      { id: 'per', title: 'For', value: (row) => row.per, shown: (row) => perName(row.per) },
      {
        id: 'when',
        title: 'When',
        value: (row) => row.when.join(', ') || null,
        shown: (row) => (
          <div className="lines">{row.when.join(', ') || <span className="quiet">always</span>}</div>
        ),
      },
      { id: 'valid_from', title: 'From', value: (row) => row.valid_from, wide: true },
      { id: 'valid_to', title: 'Until', value: (row) => row.valid_to, wide: true },
      {
        id: 'source',
        title: 'Source',
        value: (row) => row.source && `${row.source.name} (${row.source.checked_on})`,
        shown: (row) =>
          row.source && (
            <>
              {/^https:/.test(row.source.address) ? (
                <a href={row.source.address} target="_blank" rel="noreferrer">
                  {row.source.name}
                </a>
              ) : (
                row.source.name
              )}{' '}
              <span className="label">{row.source.checked_on}</span>
            </>
          ),
        wide: true,
      },
    ],
    [prices],
  )
  if (!prices.rows.length) return null
  return (
    <Section title="The list’s rates" end={`book ${prices.version}`}>
      <div className="chips above">
        {hidden > 0 && (
          <Switch
            label={`Rates that do not hold today (${hidden})`}
            checked={past}
            onChange={(event) => setPast(event.currentTarget.checked)}
          />
        )}
        <AsCsv name={`prices-${prices.model.replaceAll('/', '-')}`} columns={columns} rows={rows} />
      </div>
      <Book
        caption="Rates"
        columns={columns}
        rows={rows}
        id={(row) => `${row.id} ${row.when.join()}`}
        ended={(row) => !row.holds}
      />
    </Section>
  )
}

function Calculator({ prices }: { prices: ModelPrices }) {
  const units = useMemo(() => {
    const own = [...new Set([...prices.rows, ...prices.overrides].map((row) => row.unit ?? ''))]
    const known = own.filter((unit) => unit && /^(input|cached|output|cache_write)_/.test(unit))
    return (known.length ? known : ['input_text', 'output_text']).slice(0, 6)
  }, [prices])
  const [use, setUse] = useState<Record<string, number>>(() =>
    Object.fromEntries(units.map((unit) => [unit, /^(input|output)_text$/.test(unit) ? 1000 : 0])),
  )
  const [at, setAt] = useState('')
  const asked = Object.entries(use)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${unit}:${count}`)
  const { data, error } = useQuery({
    queryKey: ['prices', 'calculation', prices.provider, prices.model, asked, at],
    queryFn: async () =>
      (
        await getPricesCalculation({
          query: { provider: prices.provider, model: prices.model, use: asked, ...(at ? { at } : {}) },
          throwOnError: true,
        })
      ).data,
    enabled: asked.length > 0,
    placeholderData: (before) => before,
  })
  return (
    <Section title="What would a call cost" end="as calls are settled, overrides included">
      <div className="calculator">
        <div className="uses">
          {units.map((unit) => (
            <NumberInput
              key={unit}
              label={unitName(unit)}
              min={0}
              max={1_000_000_000}
              allowDecimal={false}
              thousandSeparator=","
              value={use[unit] ?? 0}
              onChange={(count) => setUse({ ...use, [unit]: Number(count) || 0 })}
            />
          ))}
          <TextInput
            type="date"
            label="On the day"
            value={at}
            onChange={(event) => setAt(event.currentTarget.value)}
          />
        </div>
        <div className="sum">
          {error ? (
            <Fault problem={error} />
          ) : data ? (
            <>
              <dl className="facts" data-lines>
                {(data.lines as unknown as CallLine[]).map((line) => (
                  <div key={line.unit} className="pair">
                    <dt>
                      {grouped(Number(line.quantity))} {unitName(line.unit)}
                    </dt>
                    <dd>
                      {line.unpriced ? (
                        <span className="tag amber">no price</span>
                      ) : (
                        <>
                          <span className="label">
                            × ${line.rate_usd} {perName(line.per ?? 1)}
                            {line.factor !== '1' && ` × ${line.factor}`} ={' '}
                          </span>
                          ${line.amount_usd}
                        </>
                      )}
                    </dd>
                  </div>
                ))}
                <div className="pair">
                  <dt>
                    <strong>Booked</strong>
                  </dt>
                  <dd>
                    <strong>
                      <Money nanos={data.cost_nanos as never} />
                    </strong>
                    {data.list_cost_nanos !== null && (
                      <span className="label">
                        {' '}
                        list <Money nanos={data.list_cost_nanos as never} />
                      </span>
                    )}
                  </dd>
                </div>
              </dl>
              {data.notes.map((note) => (
                <p key={note} className="label">
                  {note}
                </p>
              ))}
            </>
          ) : (
            <p className="quiet">Say how much is used.</p>
          )}
        </div>
      </div>
    </Section>
  )
}
