// Runs Biome. Its builds for Linux are named as optional packages of their own, because a lock made from a mirror that
// lacks its builds for other systems could not be installed from; elsewhere `npx @biomejs/biome` does the same.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const builtFor = `@biomejs/cli-${process.platform}-${process.arch}`
let program
try {
  program = createRequire(import.meta.url).resolve(`${builtFor}/biome`)
} catch {
  console.warn(`Not checked: ${builtFor} is not installed.`)
  process.exit(0)
}
process.exit(spawnSync(program, process.argv.slice(2), { stdio: 'inherit' }).status ?? 1)
