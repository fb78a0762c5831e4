// npm run manual [-- --check]: writes docs/MANUAL.md, the index of the functions that the five manuals describe, from
// test/spec/catalog.json and the doc comments in src. With --check it only says whether the file is up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const index = root + 'docs/MANUAL.md'
const catalog = JSON.parse(readFileSync(root + 'test/spec/catalog.json', 'utf8'))
const sources = readdirSync(root + 'src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .sort()
  .map((name) => ({ name: `src/${name.replaceAll('\\', '/')}`, text: readFileSync(`${root}src/${name}`, 'utf8') }))

/** Where a function is, and the first sentence of its doc comment. */
function find(name) {
  const pattern = new RegExp(`(?:/\\*\\*((?:[^*]|\\*(?!/))*)\\*/\\s*)?export (?:async )?function\\*? ${name}\\b`)
  for (const source of sources) {
    const found = pattern.exec(source.text)
    if (found !== null) return { file: source.name, sentence: firstSentence(found[1] ?? '') }
  }
  return null
}
function firstSentence(comment) {
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trim())
  const end = lines.findIndex(
    (line, i) => line.startsWith('@') || (i > 0 && line === '' && lines.slice(0, i).some(Boolean)),
  )
  const text = (end < 0 ? lines : lines.slice(0, end)).join(' ').trim()
  return (/^.*?[.;:?!](?=\s|$)/.exec(text)?.[0] ?? text).replace(/[;:]$/, '.').replaceAll('|', '\\|')
}

const manuals = new Map()
for (const entry of catalog) {
  const key = `${entry.system}: ${entry.manual}`
  if (!manuals.has(key)) manuals.set(key, [])
  manuals.get(key).push({ ...entry, found: find(entry.name) })
}
const all = [...manuals.values()].flat()
const there = all.filter((entry) => entry.found !== null).length
let text = `# Manual index

Written by \`npm run manual\`. ${there} of the ${all.length} functions that the manuals describe are here; each name leads to its
doc comment, which says what it takes, answers and locks.
`
for (const [manual, entries] of manuals) {
  text += `\n## ${manual}\n\n| in the manual | here | room | |\n|---|---|---|---|\n`
  for (const { manualName, name, room, found } of entries)
    text +=
      found === null
        ? `| \`${manualName}\` | not yet | ${room} | |\n`
        : `| \`${manualName}\` | [\`${name}\`](../${found.file}) | ${room} | ${found.sentence} |\n`
}
if (process.argv.includes('--check')) {
  let old = ''
  try {
    old = readFileSync(index, 'utf8')
  } catch {}
  if (old !== text) {
    console.error('docs/MANUAL.md is not what the sources say: run `npm run manual`')
    process.exit(1)
  }
} else writeFileSync(index, text)
