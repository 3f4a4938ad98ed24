import { expect, it } from 'vitest'
import { curlOf } from './Share'

it('a view is a call of the API that a shell runs as it stands', () => {
  const filters = JSON.stringify([{ dimension: 'team', test: 'is', values: ["people's"] }])
  const said = curlOf(
    '/api/explore',
    { start: '2026-11-01', group: ['team', 'model'], kind: undefined, filters },
    'https://llm.example',
  )
  expect(said.split(' \\\n  ')).toEqual([
    'curl -sG https://llm.example/api/explore',
    '-H "Authorization: Bearer $TALLYSTICK_TOKEN"',
    "--data-urlencode 'start=2026-11-01'",
    "--data-urlencode 'group=team'",
    "--data-urlencode 'group=model'",
    `--data-urlencode 'filters=[{"dimension":"team","test":"is","values":["people'\\''s"]}]'`,
  ])
})
