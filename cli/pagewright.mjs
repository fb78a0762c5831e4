#!/usr/bin/env node
// Starts the command line: from dist where the package was built, from the sources (through tsx) in a clone.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`pagewright: needs Node 20.19 or newer; this is ${process.versions.node}`)
  process.exit(2)
}
let main
if (existsSync(here('../src/index.ts'))) {
  const isReady = () => existsSync(here('../node_modules/tsx/package.json'))
  if (!isReady()) spawnSync(process.execPath, [here('../scripts/ensure.mjs')], { stdio: ['ignore', 2, 2] })
  if (!isReady()) {
    console.error('pagewright: the development tools could not be installed; run `npm install` in the clone')
    process.exit(2)
  }
  const { register } = await import('tsx/esm/api')
  register()
  ;({ main } = await import('./pagewright.ts'))
} else {
  ;({ main } = await import('../dist/cli/pagewright.js'))
}
await main(process.argv.slice(2))
