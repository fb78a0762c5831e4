import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it, vi } from 'vitest'

/** What `work` writes to the console. */
async function printed(work: () => Promise<unknown>): Promise<string> {
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => {
    lines.push(parts.map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part))).join(' '))
  })
  try {
    await work()
  } finally {
    log.mockRestore()
  }
  return lines.join('\n')
}

describe('the example of the README', () => {
  it('runs as it is pasted', async () => {
    const root = new URL('../../', import.meta.url)
    const [, code] = /```ts\n([^]*?)```/.exec(readFileSync(new URL('README.md', root), 'utf8'))!
    const folder = mkdtempSync(join(tmpdir(), 'pagewright-readme-'))
    const file = join(folder, 'try.ts')
    const here = process.cwd()
    writeFileSync(file, code!.replace('./src/index.ts', new URL('src/index.ts', root).href))
    try {
      process.chdir(fileURLToPath(root))
      const text = await printed(() => import(/* @vite-ignore */ pathToFileURL(file).href))
      expect(text).toMatch(/^00010000-.* \/bin\/program$/m)
      expect(text).toContain('sort checksum ')
      expect(text).toContain('ended     exit code 0')
    } finally {
      process.chdir(here)
      rmSync(folder, { recursive: true })
    }
  })
})

describe('examples', () => {
  it('run as they stand', async () => {
    const text = await printed(async () => {
      await import('../../examples/run-a-program.ts')
      await import('../../examples/compare-tlbs.ts')
    })
    expect(text).toContain('exit code 0')
    expect(text).toContain('-- pagewright report')
    const misses = [...text.matchAll(/^ +\d+ +(\d+) +[\d.]+ % +\d+$/gm)].map(([, n]) => Number(n))
    expect(misses.length).toBeGreaterThan(4)
    expect(misses).toEqual([...misses].sort((a, b) => b - a))
  })
})
