// Makes `npm start`, `npm test` and `npm run check` work on a fresh clone: installs what is missing first.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`pagewright needs Node 20.19 or newer; this is ${process.versions.node}`)
  process.exit(2)
}
const marker = root + 'node_modules/.package-lock.json'
const isFresh = existsSync(marker) && statSync(marker).mtimeMs >= statSync(root + 'package-lock.json').mtimeMs
const wanted = Object.keys(JSON.parse(readFileSync(root + 'package.json', 'utf8')).devDependencies)
if (!isFresh && !wanted.every((name) => existsSync(`${root}node_modules/${name}/package.json`))) {
  console.error('installing development tools (once) …')
  const done = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (done.status !== 0) process.exit(done.status ?? 1)
}
