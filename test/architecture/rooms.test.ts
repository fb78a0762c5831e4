// The room table in ARCHITECTURE.md is the law; every import in src obeys it.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const table = new Map<string, Set<string>>()
for (const line of readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n')) {
  const row = /^\| `([a-z0-9]+)` \|[^|]*\|([^|]*)\|$/.exec(line)
  if (row !== null) table.set(row[1]!, new Set(row[2]!.trim().split(/\s+/)))
}

function* sources(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) yield* sources(path)
    else if (name.endsWith('.ts')) yield path
  }
}
/** `src/kernel/phys/x.ts` and `src/machine/x.ts` are in the rooms phys and machine; `src/index.ts` in none. */
function roomOf(path: string): string | null {
  const parts = relative(join(root, 'src'), path).split('/')
  if (parts[0] === 'kernel') return parts.length > 2 ? parts[1]! : null
  return parts.length > 1 ? parts[0]! : null
}

describe('the room table', () => {
  const files = [...sources(join(root, 'src'))]
  it('covers every folder of src', () => {
    expect(files.length).toBeGreaterThan(5)
    expect(table.size).toBeGreaterThan(5)
    const rooms = new Set(files.map(roomOf).filter((room) => room !== null && room !== 'base'))
    expect([...rooms].filter((room) => !table.has(room!))).toEqual([])
  })
  it('allows every import, and every import of another room goes through its door', () => {
    const broken: string[] = []
    for (const file of files) {
      const room = roomOf(file)
      for (const [, target] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'"]*?from\s+'([^']+)'/gm)) {
        const where = `${relative(root, file)} imports ${target}`
        if (!target!.startsWith('.')) {
          if (!file.endsWith('.test.ts')) broken.push(`${where}: src has no dependency`)
          continue
        }
        const path = resolve(dirname(file), target!)
        const other = roomOf(path)
        if (other === null || other === room || room === null) continue
        if (!path.endsWith('/index.ts')) broken.push(`${where}: not through the door`)
        if (other !== 'base' && !file.endsWith('.test.ts') && !table.get(room)?.has(other))
          broken.push(`${where}: ${room} may not import ${other}`)
      }
    }
    expect(broken).toEqual([])
  })
})

describe('the table of upcalls', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const rows = [
    ...text
      .split('## Upcalls')[1]!
      .split('## ')[0]!
      .matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (\w+) \|/gm),
  ]
  it('names what the rooms declare', () => {
    expect(rows.length).toBeGreaterThan(8)
    for (const [, names, room] of rows) {
      const own = [...sources(join(root, 'src'))].filter((file) => roomOf(file) === room)
      const words = own.map((file) => readFileSync(file, 'utf8')).join('\n')
      for (const [, name] of names!.matchAll(/`(\w+)`/g))
        expect(words, `${room} declares ${name}`).toMatch(new RegExp(`(interface ${name}\\b|^  ${name}: \\(?)`, 'm'))
    }
  })
  it('has a row for every upcall that a room says is bound at boot', () => {
    const declared = [...sources(join(root, 'src/kernel'))].flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/Upcall[^\n]*(?:\*\/)?\n\s*(\w+): /g),
    ])
    expect(declared.length).toBeGreaterThan(1)
    const named = new Set(rows.flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name)))
    expect(declared.map(([, name]) => name).filter((name) => !named.has(name!))).toEqual([])
  })
})
