import { expect, it } from 'vitest'
import { exactly } from './exact'

it('amounts keep all their digits', () => {
  const body = '{"cost_nanos":9007199254740993,"held_nanos": -5,"would_be_cost_nanos":null,"requests":3}'
  expect(JSON.parse(exactly(body))).toEqual({
    cost_nanos: '9007199254740993',
    held_nanos: '-5',
    would_be_cost_nanos: null,
    requests: 3,
  })
})

it('what somebody wrote stays as it was', () => {
  const said = { name: '"cost_nanos":5', text: '\\"cost_nanos":7' }
  expect(JSON.parse(exactly(JSON.stringify(said)))).toEqual(said)
})
