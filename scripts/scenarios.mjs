// npm run scenarios [-- --missing]: which numbered scenarios have a passing test, from the last test report.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const report = root + 'test-report.json'
if (!existsSync(report)) {
  console.error('scenarios: no test report; run `npm run check` first (it writes test-report.json)')
  process.exit(2)
}
const passing = new Set()
for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults)
  for (const test of file.assertionResults)
    if (test.status === 'passed')
      for (const [, id] of test.fullName.matchAll(/\[([a-z-]+ [A-Z]*-?\d+)\]/g)) passing.add(id)
const scenarios = JSON.parse(readFileSync(root + 'test/spec/scenarios.json', 'utf8'))
const bySpec = new Map()
for (const { id, title } of scenarios) {
  const spec = id.split(' ')[0]
  const row = bySpec.get(spec) ?? { passing: 0, missing: [] }
  if (passing.has(id)) row.passing++
  else row.missing.push(`${id}  ${title}`)
  bySpec.set(spec, row)
}
for (const [spec, row] of bySpec) {
  console.log(
    `${spec.padEnd(12)} ${String(row.passing).padStart(4)} passing ${String(row.missing.length).padStart(4)} without a passing test`,
  )
  if (process.argv.includes('--missing')) for (const line of row.missing) console.log(`    ${line}`)
}
