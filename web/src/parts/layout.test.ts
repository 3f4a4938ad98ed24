import { describe, expect, it } from 'vitest'
import { columnsOf, isShown, layoutOf, textOf, toggled, WIDTH_MAX, WIDTH_MIN, widened } from './layout'

const PLAIN = layoutOf({})
const team = { id: 'team' }
const prompt = { id: 'prompt', hidden: true }

describe('the columns in an address', () => {
  it('are not there while they are the tables own', () => {
    expect(textOf(PLAIN)).toBeUndefined()
    expect(isShown(team, PLAIN)).toBe(true)
    expect(isShown(prompt, PLAIN)).toBe(false)
    expect(textOf(toggled(toggled(PLAIN, team, false), team, true))).toBeUndefined()
  })

  it('say what is left out, what is added, and how wide', () => {
    const layout = widened(toggled(toggled(PLAIN, team, false), prompt, true), 'model', 240)
    expect(textOf(layout)).toBe('-team,+prompt,model:240')
    expect(layoutOf(columnsOf({ columns: '-team,+prompt,model:240' }))).toEqual(layout)
    expect(isShown(team, layout)).toBe(false)
    expect(isShown(prompt, layout)).toBe(true)
  })

  it('keep within bounds, whatever an address says', () => {
    expect(columnsOf({ columns: 7 })).toEqual({})
    expect(columnsOf({ columns: 'team,<b>,-a b' })).toEqual({})
    expect(widened(PLAIN, 'team', 3).widths.get('team')).toBe(WIDTH_MIN)
    expect(widened(PLAIN, 'team', 9_999).widths.get('team')).toBe(WIDTH_MAX)
    expect(columnsOf({ columns: Array(99).fill('-a').join(',') }).columns?.split(',')).toHaveLength(40)
  })
})
