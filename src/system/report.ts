// What the virtual memory did, as a plain record. The same record is the JSON of `--report=json`; its fields are
// documented in docs/report.md. Nothing in it depends on the host: same program, same configuration, same record.

import { formatSize, type PagesName } from './config.ts'

/** Changes when a field changes its meaning or goes away; new fields do not change it. */
export const REPORT_SCHEMA = 'pagewright-report/1'

export interface Report {
  readonly schema: typeof REPORT_SCHEMA
  readonly machine: MachineReport
  /** How the program that was run ended; null while it runs. */
  readonly end: EndReport | null
  /** Simulated nanoseconds since boot. */
  readonly simulatedNs: number
  readonly instructions: number
  readonly loads: number
  readonly stores: number
  /** System calls since boot. */
  readonly systemCalls: number
  readonly faults: FaultReport
  readonly tlb: TlbReport
  readonly frames: FrameReport
  /** null: the machine has no swap device. */
  readonly swap: SwapReport | null
  /** In the order of their ends, then those that still run; the first program is process 1. */
  readonly processes: readonly ProcessReport[]
  /** Processes that ended and are left out of `processes`, when there were very many. */
  readonly processesLeftOut: number
}

export interface MachineReport {
  readonly memoryBytes: number
  readonly cpus: number
  readonly nodes: number
  readonly tlbEntries: number
  readonly tlbWays: number
  readonly pages: PagesName
  readonly seed: number
  readonly turn: number
}

export interface EndReport {
  /** What a shell would see: the exit code, or 128 + the signal's number. */
  readonly status: number
  /** `SIGSEGV`, or null after an ordinary exit. */
  readonly signal: string | null
  /** Where and why, if the signal was the answer to something the program did. */
  readonly cause: EndCause | null
}
export interface EndCause {
  /** `no mapping`, `not permitted`, `beyond the end of the file`, … */
  readonly reason: string
  /** `load`, `store`, `fetch`, or null for what is no memory access. */
  readonly access: string | null
  /** Hexadecimal, with 0x. */
  readonly address: string
  readonly pc: string
  /** Lines of /proc/PID/maps around the address: the one below, the one that holds it, the one above. */
  readonly around: readonly string[]
}

export interface FaultReport {
  readonly total: number
  /** A fresh page of zeros for private or shared anonymous memory. */
  readonly zeroFill: number
  /** The shared page of zeros, for a read of memory nobody has written. */
  readonly zeroPage: number
  /** A private copy of a page: after fork, or of a file. */
  readonly copyOnWrite: number
  /** A page that was in memory already, of a file or of shared memory. */
  readonly fileMinor: number
  /** A page that had to come from a disk. */
  readonly fileMajor: number
  /** A private page that had to come back from swap. */
  readonly swapIn: number
  /** The process's own page, entered again or with more permission. */
  readonly remap: number
  /** Ended in SIGSEGV, SIGBUS or EFAULT. */
  readonly protection: number
}

export interface TlbReport {
  /** Translations asked for: one for each instruction fetched, each load, each store. */
  readonly accesses: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
  readonly invalidations: number
  /** Page-table walks, and the entries they read. */
  readonly walks: number
  readonly walkReads: number
  /** Rounds in which other CPUs were told to drop translations, and the interrupts this took. */
  readonly shootdowns: number
  readonly interrupts: number
}

/** Frames of 4096 bytes, each counted once. */
export interface FrameReport {
  readonly total: number
  readonly free: number
  readonly anonymous: number
  readonly fileCache: number
  readonly sharedMemory: number
  readonly pageTables: number
  readonly slab: number
  readonly kernel: number
  /** Held back at boot: the kernel image and the frame arrays would live there. */
  readonly reserved: number
  /** Free when the system had booted. */
  readonly freeAtBoot: number
  /** Missing now and not explained by a cache, a live process or the kernel's own tables: 0 unless there is a leak. */
  readonly leaked: number
}

/** Pages of 4096 bytes. */
export interface SwapReport {
  readonly pages: number
  readonly inUse: number
  /** Written to the devices and read back since boot. */
  readonly pagesOut: number
  readonly pagesIn: number
}

export interface ProcessReport {
  readonly pid: number
  readonly parent: number
  readonly name: string
  /** As in EndReport.status; null while it runs. */
  readonly status: number | null
  readonly instructions: number
  readonly minorFaults: number
  readonly majorFaults: number
  /** Just before the address space was given up. */
  readonly residentPages: number
  readonly peakResidentPages: number
  readonly pageTablePages: number
  readonly virtualPages: number
  /** /proc/PID/maps just before the address space was given up. Only of process 1 and of those that still run. */
  readonly maps: readonly string[] | null
}

/** The report for people: aligned, at most 100 columns. Ends with a newline. */
export function formatReport(report: Report): string {
  const lines: string[] = []
  const { machine, faults, tlb, frames } = report
  lines.push(rule('pagewright report'))
  lines.push(field('ended', endText(report.end)))
  if (report.end?.cause) lines.push(...causeLines(report.end.cause))
  const shape = machine.tlbWays === machine.tlbEntries ? '' : ` x ${machine.tlbWays} ways`
  lines.push(
    field(
      'machine',
      `${formatSize(machine.memoryBytes)} RAM, ${plural(machine.cpus, 'CPU')}, ${plural(machine.nodes, 'node')}, ` +
        `TLB of ${count(machine.tlbEntries)}${shape}, ${machine.pages}, seed ${machine.seed}`,
    ),
    field(
      'work',
      `${plural(report.instructions, 'instruction')}, ${plural(report.loads, 'load')}, ${plural(report.stores, 'store')}, ` +
        `${plural(report.systemCalls, 'system call')}`,
    ),
    field('time', `${duration(report.simulatedNs)} simulated`),
  )
  if (report.swap !== null) {
    const { pages, inUse, pagesOut, pagesIn } = report.swap
    lines.push(
      field(
        'swap',
        `${plural(pages, 'page')}, ${count(inUse)} in use; ${plural(pagesOut, 'page')} written, ${count(pagesIn)} read back`,
      ),
    )
  }

  lines.push(rule('faults and translation'))
  lines.push(
    ...columns([
      [
        ['faults', count(faults.total)],
        ['  zero-fill', count(faults.zeroFill)],
        ['  zero page', count(faults.zeroPage)],
        ['  copy-on-write', count(faults.copyOnWrite)],
        ['  file, minor', count(faults.fileMinor)],
        ['  file, major', count(faults.fileMajor)],
        ...(report.swap === null ? [] : [['  from swap, major', count(faults.swapIn)] as [string, string]]),
        ['  own page again', count(faults.remap)],
        ['  protection', count(faults.protection)],
      ],
      [
        ['TLB accesses', count(tlb.accesses)],
        ['  hits', count(tlb.hits)],
        ['  misses', count(tlb.misses)],
        ['  hit rate', percent(tlb.hits, tlb.accesses)],
        ['walks', count(tlb.walks)],
        ['  entries read', count(tlb.walkReads)],
        ['shootdowns', count(tlb.shootdowns)],
        ['  interrupts', count(tlb.interrupts)],
      ],
    ]),
  )

  lines.push(rule('frames by owner (4 KiB each)'))
  lines.push(
    ...columns([
      [
        ['all', count(frames.total)],
        ['  free', count(frames.free)],
        ['  anonymous', count(frames.anonymous)],
        ['  file cache', count(frames.fileCache)],
        ['  shared memory', count(frames.sharedMemory)],
      ],
      [
        ['  page tables', count(frames.pageTables)],
        ['  slab', count(frames.slab)],
        ['  kernel', count(frames.kernel)],
        ['  reserved', count(frames.reserved)],
        ['leaked', count(frames.leaked)],
      ],
    ]),
  )

  lines.push(rule('processes'))
  lines.push(...processTable(report))
  for (const process of report.processes) {
    if (process.maps === null) continue
    lines.push(rule(`/proc/${process.pid}/maps`))
    for (const line of process.maps) lines.push(fit(line))
  }
  lines.push(rule(''))
  return lines.map((line) => line.trimEnd()).join('\n') + '\n'
}

const WIDTH = 100
/** Processes that the text lists one by one. */
const PROCESS_ROWS = 24

function rule(title: string): string {
  return title === '' ? '-'.repeat(WIDTH) : `-- ${title} `.padEnd(WIDTH, '-')
}
function field(name: string, text: string): string {
  return fit(name.padEnd(10) + text)
}
/** A line that is too long loses its middle, so that a path keeps its end. */
function fit(line: string): string {
  if (line.length <= WIDTH) return line
  const tail = 24
  return line.slice(0, WIDTH - tail - 3) + '...' + line.slice(-tail)
}
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}
function plural(n: number, word: string): string {
  return `${count(n)} ${word}${n === 1 ? '' : 's'}`
}
function percent(part: number, whole: number): string {
  if (whole === 0) return '-'
  // Rounded down, so that 100 % means all of them.
  return `${(Math.floor((part / whole) * 100_000) / 1000).toFixed(3)} %`
}
function duration(ns: number): string {
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(3)} s`
  return ns >= 1e6 ? `${(ns / 1e6).toFixed(3)} ms` : `${(ns / 1e3).toFixed(3)} us`
}

/** Lists of names and values side by side, every value right-aligned in its list. */
function columns(lists: readonly (readonly (readonly [string, string])[])[]): string[] {
  const width = Math.floor(WIDTH / lists.length) - 6
  const rows = Math.max(...lists.map((list) => list.length))
  return Array.from({ length: rows }, (_, row) =>
    lists
      .map((list) => {
        const cell = list[row]
        return cell === undefined ? ' '.repeat(width) : cell[0].padEnd(18) + cell[1].padStart(width - 18)
      })
      .join(' '.repeat(12)),
  )
}

function processTable(report: Report): string[] {
  const processes = [...report.processes].sort((a, b) => a.pid - b.pid)
  const lines = [
    '  pid parent  status  instructions     minor  major  resident      peak  tables  name',
    ...processes.slice(0, PROCESS_ROWS).map((p) => {
      const status = p.status === null ? 'runs' : String(p.status)
      const cells = [
        String(p.pid).padStart(5),
        String(p.parent).padStart(7),
        status.padStart(8),
        count(p.instructions).padStart(14),
        count(p.minorFaults).padStart(10),
        count(p.majorFaults).padStart(7),
        count(p.residentPages).padStart(10),
        count(p.peakResidentPages).padStart(10),
        count(p.pageTablePages).padStart(8),
      ]
      return fit(`${cells.join('')}  ${printable(p.name)}`)
    }),
  ]
  const more = Math.max(0, processes.length - PROCESS_ROWS) + report.processesLeftOut
  if (more > 0) lines.push(`      … and ${count(more)} more`)
  return lines
}

function endText(end: EndReport | null): string {
  if (end === null) return 'still running'
  return end.signal === null ? `exit code ${end.status}` : `${end.signal}, exit code ${end.status}`
}
/** Where and why a program was ended by a signal; also printed alone, when no report was asked for. */
export function causeLines(cause: EndCause): string[] {
  const what = cause.access === null ? cause.reason : `${cause.access} at ${cause.address}: ${cause.reason}`
  return [field('cause', `${what}; pc ${cause.pc}`), ...aroundLines(cause)]
}
/** The mappings around the address, in order; `>` marks the one that holds it, or the gap between two. */
function aroundLines({ address, around }: EndCause): string[] {
  if (around.length === 0) return []
  const at = BigInt(address)
  const gap = `> ${address.slice(2).padStart(8, '0')}  nothing is mapped here`
  const lines: string[] = []
  let isMarked = false
  for (const line of around) {
    const [start, end] = line.split(/[- ]/, 2).map((text) => BigInt(`0x${text}`)) as [bigint, bigint]
    if (!isMarked && at < start) lines.push(gap)
    lines.push(fit(`${at >= start && at < end ? '>' : ' '} ${line}`))
    isMarked ||= at < end
  }
  if (!isMarked) lines.push(gap)
  return lines
}
/** A name from a guest, without what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?')
}
