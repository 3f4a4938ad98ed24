// What a scope spent, as the explorer is asked for it: the filters that find its calls. Null where no filter finds them.
import type { Kind } from './budgets'
import { type Filter, isDimension } from './filters'

export function filtersOf(kind: Kind | string, value: string): Filter[] | null {
  if (kind === 'org') return []
  if (!value || value === '*') return null
  const is = (dimension: string, one: string): Filter => ({ dimension, test: 'is', values: [one] })
  if (kind === 'project') {
    const [team, ...project] = value.split('/')
    return project.length ? [is('team', team as string), is('project', project.join('/'))] : null
  }
  if (kind === 'dimension') {
    const [name, ...said] = value.split('=')
    return said.length && said[0] !== '*' ? [is(`dimension.${name}`, said.join('='))] : null
  }
  return kind !== 'tag' && isDimension(kind) ? [is(kind, value)] : null
}
