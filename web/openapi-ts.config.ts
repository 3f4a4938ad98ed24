// The typed client, made from the API's own description (docs/reference/openapi.json, which a test holds to the code).
// Two things are said differently here: operations are named by method and path, and whatever ends in `_nanos` is a
// text, because `exact.ts` hands amounts over as texts: JavaScript's numbers end at 2^53, money does not.
import { readFileSync } from 'node:fs'
import { defineConfig } from '@hey-api/openapi-ts'

type Json = { [name: string]: Json } & { type?: string; anyOf?: Json[] }

const description = JSON.parse(readFileSync('../docs/reference/openapi.json', 'utf8'))

for (const [path, methods] of Object.entries<Record<string, { operationId: string }>>(description.paths)) {
  const words = path
    .replace('/api/', '')
    .split('/')
    .map((part) => part.replace(/[{}]/g, ''))
  for (const [method, operation] of Object.entries(methods))
    operation.operationId = [method, ...words].join('_')
}

function amountsAsTexts(schema: Json): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (!name.endsWith('_nanos')) continue
    for (const form of [property as Json, ...((property as Json).anyOf ?? [])]) {
      if (form.type === 'integer') form.type = 'string'
    }
  }
}

for (const schema of Object.values<Json>(description.components.schemas)) amountsAsTexts(schema)

export default defineConfig({
  input: description,
  output: { path: 'src/api' },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk', '@tanstack/react-query'],
})
