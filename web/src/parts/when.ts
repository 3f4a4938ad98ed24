// Moments in the organisation's zone, or by the clock that somebody reads by (`taste.ts`), as short as they can be said.
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
