// The days a page is about. They stand in its address (`?range=7d`, or `?from=…&to=…`), are days of the organisation's
// zone, and both ends belong to them. Where a page can count by the hour, it may be about the last 24 hours too.

export const PRESETS = {
  today: 'Today',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  mtd: 'This month',
  billing: 'Billing period',
  last_month: 'Last month',
  qtd: 'This quarter',
  ytd: 'This year',
} as const

export type Preset = keyof typeof PRESETS
export type RangeSearch = { range?: Preset; from?: string; to?: string }
export type Days = { start: string; end: string }
/** What the API is asked for: days, or the 24 hours from one on. */
export type Period = Days | { since: string }

export const DEFAULT: Preset = '30d'
const DAY = /^\d{4}-\d{2}-\d{2}$/

/** The part of an address that says which days; anything else in it is the default. */
export function rangeOf(search: Record<string, unknown>): RangeSearch {
  const { range, from, to } = search
  if (isDay(from) && isDay(to) && from <= to) return { from, to }
  return typeof range === 'string' && Object.hasOwn(PRESETS, range) && range !== DEFAULT
    ? { range: range as Preset }
    : {}
}

/** First and last day. `today` as the organisation counts it. */
export function daysOf(search: RangeSearch, today: string): Days {
  // Whatever else stands in an address reaches a screen too, so what is no range is left out here as well.
  const { from, to, range = DEFAULT } = rangeOf(search)
  if (from && to) return { start: from, end: to }
  if (range === 'today') return { start: today, end: today }
  if (range === '24h') return { start: plus(today, -1), end: today }
  if (range === '7d') return { start: plus(today, -6), end: today }
  if (range === '30d') return { start: plus(today, -29), end: today }
  if (range === '90d') return { start: plus(today, -89), end: today }
  const first = `${today.slice(0, 8)}01`
  if (range === 'mtd') return { start: first, end: today }
  // A calendar month to its end: what providers bill, and what most budgets last for.
  if (range === 'billing') return { start: first, end: plus(`${plus(first, 31).slice(0, 8)}01`, -1) }
  if (range === 'qtd') {
    const month = Number(today.slice(5, 7))
    return {
      start: `${today.slice(0, 5)}${String(month - ((month - 1) % 3)).padStart(2, '0')}-01`,
      end: today,
    }
  }
  if (range === 'ytd') return { start: `${today.slice(0, 4)}-01-01`, end: today }
  const last = plus(first, -1)
  return { start: `${last.slice(0, 8)}01`, end: last }
}

/** The same where hours can be counted: of the last 24 the one under way is the last. */
export function periodOf(search: RangeSearch, today: string, now: number = Date.now()): Period {
  if (!isHours(search)) return daysOf(search, today)
  return { since: `${new Date(now - 23 * 3_600_000).toISOString().slice(0, 13)}:00:00Z` }
}

export const isHours = (search: RangeSearch) => rangeOf(search).range === '24h'

/** The same where days alone are counted: for 24 hours the two days they are in, so that links lead to what was counted. */
export function wholeDays(search: RangeSearch, today: string): RangeSearch {
  if (!isHours(search)) return rangeOf(search)
  const { start, end } = daysOf(search, today)
  return { from: start, to: end }
}

/** `hours`: whether they can be counted here; where they cannot, the days that they are in are. */
export function labelOf(search: RangeSearch, hours = true): string {
  if (!hours && isHours(search)) return 'Since yesterday'
  const { from, to, range = DEFAULT } = rangeOf(search)
  if (!from || !to) return PRESETS[range]
  return from === to ? dayText(from) : `${dayText(from)} – ${dayText(to)}`
}

/** Today in a zone ("Europe/London"), as YYYY-MM-DD. */
export function todayIn(zone: string, now: Date = new Date()): string {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(now)
}

/** Every day from the first to the last. */
export function everyDay({ start, end }: Days): string[] {
  const days: string[] = []
  for (let day = start; day <= end && days.length < 400; day = plus(day, 1)) days.push(day)
  return days
}

export function plus(day: string, count: number): string {
  const moment = new Date(`${day}T00:00:00Z`)
  moment.setUTCDate(moment.getUTCDate() + count)
  return moment.toISOString().slice(0, 10)
}

/** "21 Nov", with the year where it is not this one. */
export function dayText(day: string, thisYear: number = new Date().getUTCFullYear()): string {
  const options: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', timeZone: 'UTC' }
  if (Number(day.slice(0, 4)) !== thisYear) options.year = 'numeric'
  return new Intl.DateTimeFormat('en-GB', options).format(new Date(`${day}T00:00:00Z`))
}

export function isDay(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    DAY.test(value) &&
    !Number.isNaN(Date.parse(value)) &&
    plus(value, 0) === value
  )
}

/** The moment at which a day of a zone begins. */
export function beginOf(day: string, zone: string): string {
  const utc = Date.parse(`${day}T00:00:00Z`)
  // How late it is there at a moment, against UTC; asked again where a clock changes in between.
  const ahead = (at: number) => {
    const said = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      dateStyle: 'short',
      timeStyle: 'medium',
    }).format(at)
    return Date.parse(`${said.replace(' ', 'T')}Z`) - at
  }
  return new Date(utc - ahead(utc - ahead(utc))).toISOString()
}
