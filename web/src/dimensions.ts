// By what calls are booked, as pages speak of it: the built-in labels by their titles, one's own by their names.
import { DIMENSIONS } from './filters'

export const OWN = 'dimension:'

/** `dimension:region` is "region", `cost_center` is "Cost centre". */
export function titleOf(name: string): string {
  return name.startsWith(OWN)
    ? name.slice(OWN.length)
    : ((DIMENSIONS as Record<string, string>)[name] ?? name)
}

/** The header that a caller says it with. */
export function headerOf(name: string): string {
  const own = name.startsWith(OWN) ? `dimension-${name.slice(OWN.length)}` : name.replace('_', '-')
  return `X-Tallystick-${own.replace(/(^|-)[a-z]/g, (found) => found.toUpperCase())}`
}

/** What a key says from now on, so that its calls have the value: a label, or all its dimensions with one more. */
export function fixedOn(
  name: string,
  value: string,
  dimensions: Record<string, string>,
): Record<string, unknown> {
  return name.startsWith(OWN)
    ? { dimensions: { ...dimensions, [name.slice(OWN.length)]: value } }
    : { [name]: value }
}

/** A share as the API tells it (0.9731), in percent. */
export function shareText(share: number | string | null): string {
  return share === null ? '–' : `${(Math.floor(Number(share) * 1000) / 10).toFixed(1)} %`
}
