import { describe, expect, it, vi } from 'vitest'

describe('examples', () => {
  it('run as they stand', async () => {
    const lines: string[] = []
    const log = vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => {
      lines.push(parts.map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part))).join(' '))
    })
    try {
      await import('../../examples/run-a-program.ts')
      await import('../../examples/compare-tlbs.ts')
    } finally {
      log.mockRestore()
    }
    const text = lines.join('\n')
    expect(text).toContain('exit code 0')
    expect(text).toContain('-- pagewright report')
    const misses = [...text.matchAll(/^ +\d+ +(\d+) +[\d.]+ % +\d+$/gm)].map(([, n]) => Number(n))
    expect(misses.length).toBeGreaterThan(4)
    expect(misses).toEqual([...misses].sort((a, b) => b - a))
  })
})
