// npm run check: format, types, lint, rooms, tests. Stops at the first failure, naming the step.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => `${root}node_modules/.bin/${name}`
const folders = ['src', 'cli', 'test', 'bench', 'scripts', 'examples'].filter((name) => existsSync(root + name))
const steps = [
  ['format', bin('oxfmt'), ['--check', ...folders]],
  ['types', bin('tsc'), ['-p', 'tsconfig.json']],
  ['types without Node or DOM', bin('tsc'), ['-p', 'tsconfig.core.json']],
  ['lint', bin('oxlint'), ['--quiet', ...folders]],
  ['manual index', process.execPath, [`${root}scripts/manual.mjs`, '--check']],
  ['tests', bin('vitest'), ['run', '--reporter=default', '--reporter=json', '--outputFile.json=test-report.json']],
]
for (const [name, command, args] of steps) {
  console.log(`== ${name}`)
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (done.status !== 0) {
    console.error(`check: ${name} failed`)
    process.exit(1)
  }
}
