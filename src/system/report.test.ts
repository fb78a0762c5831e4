import { describe, expect, it } from 'vitest'
import { readFileSync } from 'node:fs'
import { causeLines, formatReport, REPORT_SCHEMA, type Report } from './report.ts'

const sample: Report = {
  schema: REPORT_SCHEMA,
  machine: {
    memoryBytes: 2 ** 26,
    cpus: 4,
    nodes: 2,
    tlbEntries: 64,
    tlbWays: 4,
    pages: 'sv48',
    seed: Number.MAX_SAFE_INTEGER,
    turn: 20000,
  },
  end: {
    status: 139,
    signal: 'SIGSEGV',
    cause: {
      reason: 'no mapping',
      access: 'store',
      address: '0xdeadbeef0',
      pc: '0x10234',
      around: ['00010000-00011000 r-xp 00000000 00:01 7'.padEnd(73) + '/bin/' + 'x'.repeat(200)],
    },
  },
  simulatedNs: 1_234_567_890,
  instructions: 999_999_999_999,
  loads: 123_456_789_012,
  stores: 98_765_432_109,
  systemCalls: 1,
  faults: {
    total: 7,
    zeroFill: 1,
    zeroPage: 1,
    copyOnWrite: 1,
    fileMinor: 1,
    fileMajor: 1,
    swapIn: 0,
    remap: 1,
    protection: 1,
  },
  tlb: {
    accesses: 1_000_000,
    hits: 999_999,
    misses: 1,
    evictions: 0,
    invalidations: 0,
    walks: 1,
    walkReads: 4,
    shootdowns: 12,
    interrupts: 36,
  },
  frames: {
    total: 16384,
    free: 16000,
    anonymous: 1,
    fileCache: 1,
    sharedMemory: 1,
    pageTables: 1,
    slab: 1,
    kernel: 1,
    reserved: 378,
    freeAtBoot: 16001,
    leaked: 0,
  },
  swap: { pages: 16383, inUse: 12, pagesOut: 40, pagesIn: 28 },
  processes: Array.from({ length: 40 }, (_, i) => ({
    pid: i + 1,
    parent: i,
    name: i === 1 ? 'evil\u001b[2Jname' : 'hello',
    status: i === 0 ? null : 0,
    instructions: 1e12,
    minorFaults: 1e6,
    majorFaults: 3,
    residentPages: 1e6,
    peakResidentPages: 1e6,
    pageTablePages: 1000,
    virtualPages: 2 ** 35,
    maps: i === 0 ? ['00010000-00011000 r--p 00000000 00:01 7'.padEnd(73) + '/bin/hello'] : null,
  })),
  processesLeftOut: 2,
}

describe('formatReport', () => {
  const text = formatReport(sample)
  it('is readable at 100 columns, whatever the numbers', () => {
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
    expect(text.endsWith('\n')).toBe(true)
  })
  it('says how the program ended and why', () => {
    expect(text).toContain('ended     SIGSEGV, exit code 139\n')
    expect(text).toContain('cause     store at 0xdeadbeef0: no mapping; pc 0x10234\n')
  })
  it('marks where among the mappings the address lies', () => {
    const mapping = (range: string): string => `${range} rw-p 00000000 00:00 0`
    const around = ['00010000-00011000', '00020000-00021000'].map(mapping)
    const marks = (address: string): string[] =>
      causeLines({ reason: 'no mapping', access: 'load', address, pc: '0x10000', around })
        .slice(1)
        .map((line) => line.slice(0, 10))
    expect(marks('0x10fff')).toEqual(['> 00010000', '  00020000'])
    expect(marks('0x11000')).toEqual(['  00010000', '> 00011000', '  00020000'])
    expect(marks('0xffff')).toEqual(['> 0000ffff', '  00010000', '  00020000'])
    expect(marks('0xffffffffffffffff')).toEqual(['  00010000', '  00020000', '> ffffffff'])
  })
  it('rounds the hit rate down, so that 100 % means all', () => {
    expect(text).toMatch(/hit rate +99\.999 %/)
  })
  it('lists some processes and counts the others, without what a terminal would obey', () => {
    expect(text).toContain('… and 18 more')
    expect(text).toContain('evil?[2Jname')
  })
  it('survives JSON', () => {
    expect(JSON.parse(JSON.stringify(sample))).toEqual(sample)
  })
})

describe('docs/report.md', () => {
  it('documents every field of the record, and no other', () => {
    const text = readFileSync(new URL('../../docs/report.md', import.meta.url), 'utf8')
    const documented = new Set<string>()
    let section = ''
    for (const line of text.split('\n')) {
      const heading = /^## (?:`(\w+)(?:\[\])?`|.*)$/.exec(line)
      if (heading !== null) section = heading[1] === undefined ? '' : `${heading[1]}.`
      const row = /^\| ((?:`[\w.]+`(?:, )?)+) \|/.exec(line)
      for (const [, name] of row?.[1]!.matchAll(/`([\w.]+)`/g) ?? []) documented.add(section + name)
    }
    const present = new Set<string>()
    const walk = (value: object, prefix: string): void => {
      for (const [name, child] of Object.entries(value)) {
        present.add(prefix + name)
        const below: unknown = Array.isArray(child) ? child[0] : child
        if (typeof below === 'object' && below !== null) walk(below, `${prefix}${name}.`)
      }
    }
    walk(sample, '')
    expect([...documented].sort()).toEqual([...present].sort())
  })
})
