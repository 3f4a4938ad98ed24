// Setting a budget, changing it, raising it for a while, and removing it. What the server warns of is told at once.
import { Autocomplete, Group, Select, TextInput } from '@mantine/core'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import {
  deleteBudgetsBudgetId,
  postBudgets,
  postBudgetsBudgetIdRaises,
  putBudgetsBudgetId,
} from '../api/sdk.gen'
import type { NewBudget as Body, Budget } from '../api/types.gen'
import { limitSet, limitText, MODES, nameOf, type Unit } from '../budgets'
import { Confirm } from '../parts/Confirm'
import { FormDialog, Reason, useChange } from '../parts/FormDialog'
import { type Scope, ScopeFields } from '../parts/ScopeFields'
import { SpentLately } from '../parts/SpentLately'
import { Fault } from '../parts/states'
import { WouldRefuse } from '../parts/WouldRefuse'
import { useSession, useZone } from '../session'

export const SETTERS = ['owner', 'admin', 'finance', 'manager'] as const

const WINDOWS = ['hour', 'day', 'week', 'month', 'quarter', 'year', 'total']
const UNITS = [
  { value: 'money', label: 'Money' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'calls', label: 'Calls' },
]
const MODE_CHOICES = Object.entries(MODES).map(([value, label]) => ({ value, label }))
const OF_A_MANAGER = ['project', 'key'] as const
const HOUR_MS = 3_600_000
const ENDS = { '1': 'In an hour', '24': 'In a day', '168': 'In 7 days', '720': 'In 30 days' }
const WINDOW_END = 'window'

export function NewBudget({ close, made }: { close: () => void; made: (id: number) => void }) {
  const { slug = '' } = useParams({ strict: false })
  const session = useSession()
  const { zone } = useZone()
  const { busy, problem, send } = useChange('budgets')
  const manages = session.role === 'manager'
  const [scope, setScope] = useState<Scope>({ kind: manages ? 'project' : 'team', value: '' })
  const [unit, setUnit] = useState<Unit>('money')
  const [window, setWindow] = useState('month')
  const [mode, setMode] = useState<Budget['mode']>('hard')
  const [limit, setLimit] = useState('')
  const value = scope.kind === 'org' ? '' : scope.value.trim()
  const body: Body = {
    scope: scope.kind,
    value,
    limit: limitText(limit.trim(), unit),
    window: window.trim(),
    mode,
  }
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        postBudgets({
          body: {
            ...body,
            ...said({ zone: text('zone'), name: text('name'), owner: text('owner'), note: text('note') }),
          },
          throwOnError: true,
        }),
      'The budget is set, and in force from now on.',
      (now) => made(now.id),
    )

  return (
    <FormDialog
      title="Set a budget"
      verb="Set budget"
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
    >
      <ScopeFields scope={scope} choose={setScope} {...(manages ? { kinds: OF_A_MANAGER } : {})} />
      {unit === 'money' && <SpentLately kind={scope.kind} value={scope.value.trim()} slug={slug} />}
      <Group grow align="flex-start">
        <TextInput
          label="Limit"
          name="limit"
          value={limit}
          onChange={(event) => setLimit(event.currentTarget.value)}
          placeholder={unit === 'money' ? '500, or 500 EUR' : '10k'}
          required
          maxLength={48}
          data-autofocus
        />
        <Select
          label="Of"
          data={UNITS}
          value={unit}
          onChange={(chosen) => setUnit((chosen ?? unit) as Unit)}
          allowDeselect={false}
        />
      </Group>
      <Group grow align="flex-start">
        <Autocomplete label="Each" value={window} onChange={setWindow} data={WINDOWS} required />
        <TextInput label="Time zone" name="zone" placeholder={zone} />
      </Group>
      <WouldRefuse budget={limit.trim() && body.window && (value || scope.kind === 'org') ? body : null} />
      <ModeChoice mode={mode} choose={setMode} />
      <Words />
    </FormDialog>
  )
}

export function ChangeBudget({ budget, close }: { budget: Budget; close: () => void }) {
  const { busy, problem, send } = useChange('budgets')
  const [mode, setMode] = useState(budget.mode)
  const before = limitSet(budget)
  const submit = (text: (name: string) => string) => {
    const limit = text('limit')
    return send(
      () =>
        putBudgetsBudgetId({
          path: { budget_id: budget.id },
          body: {
            ...(limit === before ? {} : { limit: limitText(limit, budget.unit) }),
            mode,
            name: text('name'),
            owner: text('owner'),
            note: text('note'),
          },
          throwOnError: true,
        }),
      'The change is in force. What the window has counted stays counted.',
      close,
    )
  }
  return (
    <FormDialog
      title={`Change ${nameOf(budget)}`}
      verb="Save changes"
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
    >
      <TextInput
        label="Limit"
        name="limit"
        defaultValue={before}
        description={`${UNITS.find((one) => one.value === budget.unit)?.label}, each ${budget.window}. Another unit or window is another budget.`}
        required
        maxLength={48}
        data-autofocus
      />
      <ModeChoice mode={mode} choose={setMode} />
      <Words budget={budget} />
    </FormDialog>
  )
}

export function RaiseBudget({ budget, close }: { budget: Budget; close: () => void }) {
  const { busy, problem, send } = useChange('budgets')
  const [ends, setEnds] = useState<string>(budget.resets_at ? WINDOW_END : '24')
  const choices = [
    ...(budget.resets_at ? [{ value: WINDOW_END, label: 'When this window ends' }] : []),
    ...Object.entries(ENDS).map(([value, label]) => ({ value, label })),
  ]
  const submit = (text: (name: string) => string) =>
    send(
      () =>
        postBudgetsBudgetIdRaises({
          path: { budget_id: budget.id },
          body: {
            by: limitText(text('by'), budget.unit),
            until:
              ends === WINDOW_END && budget.resets_at
                ? budget.resets_at
                : new Date(Date.now() + Number(ends) * HOUR_MS).toISOString(),
            reason: text('reason'),
          },
          throwOnError: true,
        }),
      'The limit is raised, from now on.',
      close,
    )
  return (
    <FormDialog
      title={`Raise ${nameOf(budget)}`}
      verb="Raise limit"
      busy={busy}
      problem={problem}
      close={close}
      submit={submit}
    >
      <Group grow align="flex-start">
        <TextInput
          label="By"
          name="by"
          placeholder={budget.unit === 'money' ? '50' : `10k ${budget.unit}`}
          required
          maxLength={48}
          data-autofocus
        />
        <Select
          label="Until"
          data={choices}
          value={ends}
          onChange={(chosen) => setEnds(chosen ?? ends)}
          allowDeselect={false}
        />
      </Group>
      <Reason />
    </FormDialog>
  )
}

type Ending = { budget: Budget; close: () => void; removed: () => void }

export function RemoveBudget({ budget, close, removed }: Ending) {
  const { busy, problem, send } = useChange('budgets')
  const name = nameOf(budget)
  const go = () =>
    send(
      () => deleteBudgetsBudgetId({ path: { budget_id: budget.id }, throwOnError: true }),
      `${name} is removed. Its calls are not held to it any more.`,
      removed,
    )
  return (
    <Confirm
      title="Remove this budget"
      name={name}
      verb="Remove budget"
      busy={busy}
      close={close}
      go={go}
      fault={problem !== null && <Fault problem={problem} />}
    >
      From now on no call is held to it, on any gateway. What it counted stays in the ledger.
    </Confirm>
  )
}

function ModeChoice({ mode, choose }: { mode: Budget['mode']; choose: (mode: Budget['mode']) => void }) {
  return (
    <Select
      label="What happens at its end"
      data={MODE_CHOICES}
      value={mode}
      onChange={(chosen) => choose((chosen ?? mode) as Budget['mode'])}
      allowDeselect={false}
    />
  )
}

function Words({ budget }: { budget?: Budget }) {
  return (
    <>
      <Group grow align="flex-start">
        <TextInput label="Called" name="name" defaultValue={budget?.name} maxLength={256} />
        <TextInput
          label="Owner"
          name="owner"
          defaultValue={budget?.owner}
          placeholder="Who answers for it"
          maxLength={256}
        />
      </Group>
      <TextInput
        label="Note"
        name="note"
        defaultValue={budget?.note}
        placeholder="Why it is there"
        maxLength={256}
      />
    </>
  )
}

function said<T extends Record<string, string>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== '')) as Partial<T>
}
