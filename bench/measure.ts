// How everything here is measured: processor time, so that a busy machine distorts less; the median of many samples;
// and subject and yardstick in turns, so that both meet the same moods of the machine.

/** What one subject has found out about one operation. */
export interface Row {
  readonly what: string
  /** Nanoseconds of one operation. */
  readonly ns: number
  /** What it is compared with; `yardstickNs` null: not there, and `note` says why. */
  readonly yardstick: string
  readonly yardstickNs: number | null
  /** Ratio of the medians, or median of the ratios of neighbours where samples come in pairs. */
  readonly ratio: number | null
  /** The ratio that the project wants at most. */
  readonly wanted?: number
  readonly note?: string
}

/** A subject's growth over sizes. */
export interface Growth {
  readonly what: string
  readonly unit: string
  readonly points: readonly { readonly size: number; readonly ns: number; readonly hostNs?: number | null }[]
}
/** Bytes that something costs. */
export interface Size {
  readonly what: string
  readonly bytes: number
  /** At most. */
  readonly wanted?: number
  readonly note?: string
}
/** A call among more and more other mappings. */
export interface CallRow {
  readonly what: string
  /** `hostNs` null: the host does not have the call, or is not there. */
  readonly points: readonly { readonly size: number; readonly ns: number; readonly hostNs: number | null }[]
}
export interface Findings {
  readonly rows: readonly Row[]
  readonly calls?: readonly CallRow[]
  readonly growths?: readonly Growth[]
  readonly sizes?: readonly Size[]
}

/** Nanoseconds of processor time that this process has used, of all its threads. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Nanoseconds that `work` takes, divided by the `operations` it carries out. */
export function timed(work: () => void, operations: number): number {
  const start = cpuNs()
  work()
  return (cpuNs() - start) / operations
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * Measures a subject and its yardstick in turns.
 *
 * @param subject   carries out some operations, and answers nanoseconds for each
 * @param samples   that count; a quarter as many run before them, so that the compiler has done its work
 */
export function inTurns(
  subject: () => number,
  yardstick: () => number,
  samples = 31,
): { readonly ns: number; readonly yardstickNs: number; readonly ratio: number } {
  const own: number[] = []
  const other: number[] = []
  const ratios: number[] = []
  const warmUp = Math.ceil(samples / 4)
  for (let i = -warmUp; i < samples; i++) {
    const a = subject()
    const b = yardstick()
    if (i < 0) continue
    own.push(a)
    other.push(b)
    ratios.push(a / b)
  }
  return { ns: median(own), yardstickNs: median(other), ratio: median(ratios) }
}

/** Keeps the compiler from leaving out work whose result nobody reads. */
export function consume(value: number): void {
  sink = (sink + value) | 0
}
let sink = 0
