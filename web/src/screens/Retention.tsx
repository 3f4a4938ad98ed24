// How long rows of calls stand, which months have none any more, and the hold that keeps everything. How many months stay is
// for whoever runs the installation, whose organisations share its months; a hold is the organisation's own.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { deleteRetentionHold, putRetentionHold } from '../api/sdk.gen'
import type { PrunedShown, RetentionShown } from '../api/types.gen'
import { grouped } from '../money'
import { AsCsv, Book, type Column } from '../parts/Book'
import { Confirm } from '../parts/Confirm'
import { Snippet } from '../parts/Copy'
import { Fact } from '../parts/Figure'
import { FormDialog, Reason, useChange } from '../parts/FormDialog'
import { Section } from '../parts/Page'
import { useWho } from '../parts/people'
import { retentionQuery } from '../parts/RowsFrom'
import { Settings } from '../parts/Settings'
import { Coming, Empty, Fault } from '../parts/states'
import { atText } from '../parts/when'
import { dayText } from '../range'
import { may, useSession, useZone } from '../session'
import type { RetentionSearch } from './settingssearch'

export default function Retention() {
  const search = useSearch({ from: '/o/$slug/settings/retention' })
  const { slug } = useParams({ from: '/o/$slug/settings/retention' })
  const navigate = useNavigate({ from: '/o/$slug/settings/retention' })
  const set = (more: { [name in keyof RetentionSearch]: RetentionSearch[name] | undefined }) =>
    navigate({
      search: (before: RetentionSearch) => ({ ...before, ...more }) as RetentionSearch,
      replace: true,
    })
  const { data, error, refetch } = useQuery(retentionQuery)
  const { zone } = useZone()
  const holds = may(useSession(), 'owner', 'admin')
  const columns = useMemo(() => columnsOf(slug, zone), [slug, zone])
  const close = () => set({ hold: undefined })
  return (
    <Settings
      title="Retention"
      question="How long does the row of a call stay, and what keeps it longer?"
      actions={
        data && (
          <>
            <AsCsv name="months-without-rows" columns={columns} rows={data.pruned} />
            {holds && (
              <Button variant={data.hold ? 'default' : 'filled'} onClick={() => set({ hold: true })}>
                {data.hold ? 'Release the hold…' : 'Hold everything…'}
              </Button>
            )}
          </>
        )
      }
    >
      {error ? (
        <Fault problem={error} retry={refetch} />
      ) : !data ? (
        <Coming rows={6} />
      ) : (
        <>
          <Kept of={data} zone={zone} />
          <Held of={data} zone={zone} holds={holds} />
          <Section title="Months without rows" end={data.pruned.length > 0 && 'their sums stay'}>
            {data.pruned.length ? (
              <Book
                caption="Months without rows"
                columns={columns}
                rows={data.pruned}
                id={(one) => one.month}
                sort={search.sort ?? '-month'}
                onSort={(sort) => set({ sort })}
              />
            ) : (
              <Empty title="Every month has its rows">
                When a month goes, it goes whole. What it came to, by every dimension, is sealed in the ledger
                first, and stays.
              </Empty>
            )}
          </Section>
          {holds &&
            search.hold &&
            (data.hold ? <Release slug={slug} close={close} /> : <Hold close={close} />)}
        </>
      )}
    </Settings>
  )
}

function Kept({ of, zone }: { of: RetentionShown; zone: string }) {
  const { slug } = useParams({ from: '/o/$slug' })
  return (
    <Section title="What is kept">
      <dl className="facts">
        <Fact name="Rows of calls">
          {of.months === null
            ? 'All of them'
            : `${of.months} ${of.months === 1 ? 'whole month' : 'whole months'} besides the running one`}{' '}
          <span className="soft">
            {of.months === null
              ? 'until whoever runs the installation sets '
              : 'as the installation’s settings say: '}
            <code>retention.months</code>
          </span>
        </Fact>
        <Fact name="There are rows from">{of.rows_from && dayText(of.rows_from)}</Fact>
        <Fact name="Sums, budgets, changes">For good</Fact>
        <Fact name="On its way out">
          {of.going &&
            (of.going.stopped ? (
              <>
                <span className="tag amber">Stopped</span> {of.going.month}, since{' '}
                {atText(of.going.stopped, zone)}: a row is not what its entry in the ledger says
              </>
            ) : (
              `${of.going.month}: step ${of.going.step} of ${of.going.steps}, ${of.going.doing}`
            ))}
        </Fact>
      </dl>
      {of.going?.stopped && (
        <>
          <p className="nothing">
            Nothing of the month is dropped, and no younger one before it. It is tried again each day; what
            was found stands in{' '}
            <Link to="/o/$slug/alerts" params={{ slug }} search={{ q: 'retention' }}>
              the alert of it
            </Link>{' '}
            and here:
          </p>
          <Snippet text="tallystick retention show" what="The command" />
        </>
      )}
    </Section>
  )
}

function Held({ of, zone, holds }: { of: RetentionShown; zone: string; holds: boolean }) {
  const who = useWho()
  return (
    <Section title="Legal hold">
      {of.hold ? (
        <dl className="facts">
          <Fact name="Held">
            <span className="tag amber">Nothing goes</span> {of.hold.reason}
          </Fact>
          <Fact name="Since">{atText(of.hold.since, zone)}</Fact>
          {of.hold.by && <Fact name="By">{who(of.hold.by)}</Fact>}
        </dl>
      ) : (
        <p className="nothing">
          None of yours. A hold keeps every row of every month from now on, for an audit or a case, until
          somebody releases it; the ledger names who and why.
          {!holds && ' An owner or an admin begins one.'}
        </p>
      )}
      {of.held_elsewhere && (
        <p className="nothing">
          Another organisation of this installation holds everything{of.hold && ' too'}. Months are shared, so
          none of yours goes either.
        </p>
      )}
    </Section>
  )
}

function Hold({ close }: { close: () => void }) {
  const { busy, problem, send } = useChange('retention')
  return (
    <FormDialog
      title="Hold everything"
      verb="Hold everything"
      {...{ busy, problem, close }}
      submit={(text) =>
        send(
          () => putRetentionHold({ body: { reason: text('reason'), state: 'held' }, throwOnError: true }),
          'From now on no month goes.',
          close,
        )
      }
    >
      <p className="nothing">
        No month of this installation is pruned until the hold is released. A month that is on its way and not
        sealed yet stays.
      </p>
      <Reason />
    </FormDialog>
  )
}

function Release({ slug, close }: { slug: string; close: () => void }) {
  const { busy, problem, send } = useChange('retention')
  return (
    <Confirm
      title="Release the hold"
      name={slug}
      verb="Release hold"
      busy={busy}
      close={close}
      go={() => send(() => deleteRetentionHold({ throwOnError: true }), 'The hold is released.', close)}
      fault={problem && <Fault problem={problem} />}
    >
      Months that are old enough lose their rows soon after, and nothing brings those back. What they came to
      stays.
    </Confirm>
  )
}

function columnsOf(slug: string, zone: string): Column<PrunedShown>[] {
  return [
    { id: 'month', title: 'Month', value: (one) => one.month },
    {
      id: 'pruned_at',
      title: 'Rows dropped',
      value: (one) => one.pruned_at,
      shown: (one) => atText(one.pruned_at, zone),
    },
    {
      id: 'sealed_entry',
      title: 'Sealed by entry',
      value: (one) => one.sealed_entry,
      shown: (one) => (
        <Link to="/o/$slug/audit/$seq" params={{ slug, seq: String(one.sealed_entry) }}>
          {grouped(one.sealed_entry)}
        </Link>
      ),
      number: true,
    },
  ]
}
