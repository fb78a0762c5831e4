// What a system is made of: typed, with defaults, and checked in one place. An error names the option and its range.

import { GiB, KiB, MiB, PAGE_SIZE } from '../base/index.ts'
import type { LargePages } from '../kernel/map/index.ts'
import type { TlbConfig } from '../machine/index.ts'

/** What a caller may say; whatever is left out has its default. Sizes are bytes or texts such as `'64M'`. */
export interface SystemConfig {
  /** RAM of all nodes together. Default 256 MiB. */
  readonly memory?: number | string
  /** CPUs. Default 1. */
  readonly cpus?: number
  /** Memory nodes; RAM and CPUs are dealt out evenly. Default 1. */
  readonly nodes?: number
  /** Entries of each CPU's TLB, or `'64x4'`, entries by ways, or both as a record. Default 64 entries. */
  readonly tlb?: number | string | TlbConfig
  /** Format of the page tables. Default sv48. */
  readonly pages?: PagesName
  /** Seed of everything random: scheduling, AT_RANDOM. Default 1. */
  readonly seed?: number
  /** Instructions a thread runs before another one may. Default 20,000. */
  readonly turn?: number
  /** Untouched private memory is filled 2 MiB at a time: never, where MADV_HUGEPAGE advises it, always. Default advised. */
  readonly largePages?: LargePages
  /** Swap devices, each of this size; none unless told. A size, or a list of them. */
  readonly swap?: number | string | readonly (number | string)[]
  /** Simulated latency of a disk request, in microseconds. Default 100. */
  readonly diskLatency?: number
  /** Name of the machine, as uname shows it. Default `pagewright`. */
  readonly hostname?: string
}

export const PAGES_NAMES = ['sv39', 'sv48'] as const
export type PagesName = (typeof PAGES_NAMES)[number]
export const LARGE_PAGES = ['never', 'advised', 'always'] as const satisfies readonly LargePages[]

/** A checked configuration: every field present and in range. */
export interface CheckedConfig {
  readonly memoryBytes: number
  readonly cpus: number
  readonly nodes: number
  readonly tlb: { readonly entries: number; readonly ways: number }
  readonly pages: PagesName
  readonly seed: number
  readonly turn: number
  readonly largePages: LargePages
  /** Bytes of each swap device. */
  readonly swap: readonly number[]
  readonly diskLatency: number
  readonly hostname: string
}

/** A value that is out of range or of the wrong type. `message` is one line: option, range, what was given. */
export class ConfigError extends Error {
  /** The name of the field, as in SystemConfig. */
  readonly option: string
  constructor(option: string, wanted: string, given: unknown) {
    super(`${option}: must be ${wanted}; got ${show(given)}`)
    this.name = 'ConfigError'
    this.option = option
  }
}
function show(given: unknown): string {
  const text = typeof given === 'string' ? JSON.stringify(given) : String(given)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

// Limits, with their reasons.
/** Below this the kernel's own pages and one program do not fit. */
export const MEMORY_LEAST = 4 * MiB
/** 48 bytes of host memory for each frame: 192 MiB here. No more than 4 GiB of it can be touched (DESIGN.md, 1). */
export const MEMORY_MOST = 16 * GiB
/** Sets of CPUs are one word in the pmap room. */
export const CPUS_MOST = 32
export const NODES_MOST = 16
/** Least RAM of a node: one zone with watermarks needs some. */
export const NODE_LEAST = 4 * MiB
export const TLB_ENTRIES_MOST = 65536
export const TURN_MOST = 1_000_000_000
/** What mkswap takes for the smallest device; and what all of them may be together: as much as the largest RAM. */
export const SWAP_LEAST = 40 * KiB
export const SWAP_MOST = 16 * GiB

export const DEFAULTS = {
  memory: 256 * MiB,
  cpus: 1,
  nodes: 1,
  tlb: 64,
  pages: 'sv48',
  seed: 1,
  turn: 20_000,
  largePages: 'advised',
  swap: [],
  diskLatency: 100,
  hostname: 'pagewright',
} as const

const KNOWN = new Set(Object.keys(DEFAULTS))

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws ConfigError naming the option, its range and what was given
 */
export function checkConfig(config: SystemConfig = {}): CheckedConfig {
  if (typeof config !== 'object' || config === null) throw new ConfigError('config', 'an object', config)
  for (const key of Object.keys(config)) {
    if (!KNOWN.has(key)) throw new ConfigError(key, `one of the options ${[...KNOWN].join(', ')}`, 'an unknown option')
  }
  const pick = <K extends keyof typeof DEFAULTS>(key: K): unknown => config[key] ?? DEFAULTS[key]
  const cpus = whole('cpus', pick('cpus'), 1, CPUS_MOST)
  const nodes = whole('nodes', pick('nodes'), 1, NODES_MOST)
  const memoryBytes = memorySize(pick('memory'), nodes)
  const pages = pick('pages')
  if (!PAGES_NAMES.includes(pages as PagesName)) throw new ConfigError('pages', PAGES_NAMES.join(' or '), pages)
  const largePages = pick('largePages')
  if (!LARGE_PAGES.includes(largePages as LargePages))
    throw new ConfigError('largePages', LARGE_PAGES.join(' or '), largePages)
  const hostname = pick('hostname')
  if (typeof hostname !== 'string' || !/^[A-Za-z0-9.-]{1,64}$/.test(hostname))
    throw new ConfigError('hostname', '1 to 64 letters, digits, dots and hyphens', hostname)
  return {
    memoryBytes,
    cpus,
    nodes,
    tlb: tlbShape(pick('tlb')),
    pages: pages as PagesName,
    seed: whole('seed', pick('seed'), 0, Number.MAX_SAFE_INTEGER),
    turn: whole('turn', pick('turn'), 1, TURN_MOST),
    largePages: largePages as LargePages,
    swap: swapSizes(pick('swap')),
    diskLatency: whole('diskLatency', pick('diskLatency'), 0, 10_000_000),
    hostname,
  }
}

function whole(option: string, given: unknown, least: number, most: number): number {
  if (typeof given !== 'number' || !Number.isInteger(given) || given < least || given > most)
    throw new ConfigError(option, `a whole number from ${least} to ${most}`, given)
  return given
}

function memorySize(given: unknown, nodes: number): number {
  const bytes = typeof given === 'string' ? parseSize(given) : given
  const range = `a size from ${formatSize(MEMORY_LEAST)} to ${formatSize(MEMORY_MOST)} in whole pages, such as 64M`
  if (typeof bytes !== 'number' || !Number.isInteger(bytes) || bytes < MEMORY_LEAST || bytes > MEMORY_MOST)
    throw new ConfigError('memory', range, given)
  if (bytes % PAGE_SIZE !== 0) throw new ConfigError('memory', range, given)
  if (bytes / nodes < NODE_LEAST)
    throw new ConfigError('memory', `at least ${formatSize(NODE_LEAST)} for each of ${nodes} nodes`, given)
  return bytes
}

function swapSizes(given: unknown): readonly number[] {
  const sizes: unknown[] = Array.isArray(given) ? given : [given]
  const range = `0 or a size from ${formatSize(SWAP_LEAST)} to ${formatSize(SWAP_MOST)} in whole pages, such as 64M`
  const bytes = sizes.map((size) => {
    const value = typeof size === 'string' ? parseSize(size) : size
    if (value === 0) return 0
    const isFit = typeof value === 'number' && Number.isInteger(value) && value >= SWAP_LEAST && value <= SWAP_MOST
    if (!isFit || value % PAGE_SIZE !== 0) throw new ConfigError('swap', range, size)
    return value
  })
  if (bytes.reduce((sum, size) => sum + size, 0) > SWAP_MOST)
    throw new ConfigError('swap', `at most ${formatSize(SWAP_MOST)} together`, sizes.join(', '))
  return bytes.filter((size) => size > 0)
}

function tlbShape(given: unknown): { entries: number; ways: number } {
  const wanted = `entries from 1 to ${TLB_ENTRIES_MOST}, or entries x ways such as 64x4, in a power of two of sets`
  let entries: unknown = given
  let ways: unknown
  if (typeof given === 'string') {
    const match = /^(\d{1,9})(?:x(\d{1,9}))?$/.exec(given)
    if (match === null) throw new ConfigError('tlb', wanted, given)
    entries = Number(match[1])
    if (match[2] !== undefined) ways = Number(match[2])
  } else if (typeof given === 'object' && given !== null) {
    ;({ entries, ways } = given as { entries?: unknown; ways?: unknown })
  }
  const say = typeof given === 'object' ? `${String(entries)} entries, ${String(ways)} ways` : given
  if (typeof entries !== 'number' || !Number.isInteger(entries) || entries < 1 || entries > TLB_ENTRIES_MOST)
    throw new ConfigError('tlb', wanted, say)
  ways ??= defaultWays(entries)
  if (typeof ways !== 'number' || !Number.isInteger(ways) || ways < 1 || entries % ways !== 0)
    throw new ConfigError('tlb', wanted, say)
  if (!Number.isInteger(Math.log2(entries / ways))) throw new ConfigError('tlb', wanted, say)
  return { entries, ways }
}
/** Up to 64 entries fully associative; above, four ways, or the fewest that leave a power of two of sets. */
function defaultWays(entries: number): number {
  if (entries <= 64) return entries
  for (let ways = 4; ways < entries; ways++) {
    if (entries % ways === 0 && Number.isInteger(Math.log2(entries / ways))) return ways
  }
  return entries
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: KiB, M: MiB, G: GiB, T: 1024 * GiB }

/** `'64M'`, `'64MiB'`, `'1.5G'`, `'65536'`: bytes; NaN if it is no size. */
export function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim())
  return match === null ? NaN : Number(match[1]) * UNITS[match[2]!.toUpperCase()]!
}
/** `64M`, `1G`, `20K`, or bytes where no unit divides them. */
export function formatSize(bytes: number): string {
  for (const [name, unit] of [
    ['G', GiB],
    ['M', MiB],
    ['K', KiB],
  ] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${name}`
  }
  return String(bytes)
}
