// Moments in the organisation's zone, or by the clock that somebody reads by (`taste.ts`), as short as they can be said.
import type { Span } from '../api/types.gen'
import { labelOf } from '../range'
import { clockZone } from '../taste'

const forms = new Map<string, Intl.DateTimeFormat>()

function form(place: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const zone = clockZone(place)
  const name = zone + JSON.stringify(options)
  let made = forms.get(name)
  if (!made) {
    made = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options })
    forms.set(name, made)
  }
  return made
}

/** "21 Nov 14:03:09" */
export function atText(moment: string, zone: string): string {
  const at = new Date(moment)
  return `${form(zone, { day: 'numeric', month: 'short' }).format(at)} ${form(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at)}`
}

/** "14:00" */
export function hourText(moment: string, zone: string): string {
  return form(zone, { hour: '2-digit', minute: '2-digit' }).format(new Date(moment))
}

/** What an answer is about: "14 Nov – 21 Nov", of hours "20 Nov 14:00 – 21 Nov 14:00". */
export function spanText({ start, end, since, until }: Span, zone: string): string {
  if (!since || !until) return labelOf({ from: start, to: end })
  const said = (at: string) =>
    `${form(zone, { day: 'numeric', month: 'short' }).format(new Date(at))} ${hourText(at, zone)}`
  return `${said(since)} – ${said(until)}`
}

/** "21 Nov 2026" */
export function dateText(moment: string, zone: string): string {
  return form(zone, { day: 'numeric', month: 'short', year: 'numeric' }).format(new Date(moment))
}

/** The last day before a moment: of what ends at midnight, the day before. */
export function lastDayText(ends: string, zone: string): string {
  return dateText(new Date(Date.parse(ends) - 1).toISOString(), zone)
}

/** "14:03:09" */
export function clockText(moment: number, zone: string): string {
  return form(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(moment)
}
