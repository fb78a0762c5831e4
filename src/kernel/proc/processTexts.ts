// The texts of /proc/PID that are about one process as a whole.

import { PAGE_SIZE } from '../../base/index.ts'
import { type MemoryPolicy, swapUse, type VmMapEntry, type VmSpace } from '../map/index.ts'
import { PG_active, PG_reserved, PG_unevictable, PG_writeback } from '../phys/index.ts'
import { pmapForEach } from '../pmap/index.ts'
import {
  A0,
  entryName,
  gidsOf,
  type Ids,
  type Kernel,
  type Process,
  RLIMIT_COUNT,
  RLIMIT_RSS,
  SIGNAL_COUNT,
  SIG_DFL,
  SIG_IGN,
  signalBit,
  type SignalSet,
  SP,
  uidsOf,
} from '../process/index.ts'
import { countResident } from './smaps.ts'
import { virtualSizes } from './virtualSizes.ts'

/** Ticks of a second in the times of stat: AT_CLKTCK. */
const NS_PER_TICK = 1e7

const kb = (label: string, n: number): string => `${label}:\t${String(n).padStart(8)} kB\n`

/** R running, S sleeping, T stopped, Z ended. */
function stateOf(process: Process): 'R' | 'S' | 'T' | 'Z' {
  if (process.state !== 'alive') return 'Z'
  if (process.stopSignal !== 0) return 'T'
  return process.threads.some((thread) => thread.state === 'running' || thread.state === 'runnable') ? 'R' : 'S'
}
const STATE_NAMES = { R: 'running', S: 'sleeping', T: 'stopped', Z: 'zombie' } as const
const set16 = (set: SignalSet): string => set.toString(16).padStart(16, '0')

function handledSignals(process: Process): { ignored: SignalSet; caught: SignalSet } {
  let ignored = 0n
  let caught = 0n
  for (let signo = 1; signo <= SIGNAL_COUNT; signo++) {
    const { handler } = process.actions.get(signo)
    if (handler === SIG_IGN) ignored |= signalBit(signo)
    else if (handler !== SIG_DFL) caught |= signalBit(signo)
  }
  return { ignored, caught }
}

function capabilityLines({ who, hasNoNewPrivileges }: Process): string {
  const { effective, permitted, inheritable, bounding, ambient } = who
  return (
    `CapInh:\t${set16(inheritable)}\nCapPrm:\t${set16(permitted)}\nCapEff:\t${set16(effective)}\n` +
    `CapBnd:\t${set16(bounding)}\nCapAmb:\t${set16(ambient)}\n` +
    `NoNewPrivs:\t${Number(hasNoNewPrivileges)}\nSeccomp:\t0\nSeccomp_filters:\t0\n`
  )
}

/** /proc/PID/status. @manual proc_pid_status(5); system-call specification 2.3 */
export function statusText(kernel: Kernel, process: Process): string {
  const { who, space } = process
  const state = stateOf(process)
  const leader = process.leader
  // Real, effective, saved, and what files look at.
  const four = ({ real, effective, saved }: Ids) => `${real}\t${effective}\t${saved}\t${effective}`
  const { ignored, caught } = handledSignals(process)
  let text =
    `Name:\t${process.name}\nUmask:\t${(process.fs?.umask ?? 0).toString(8).padStart(4, '0')}\n` +
    `State:\t${state} (${STATE_NAMES[state]})\nTgid:\t${process.pid}\nNgid:\t0\nPid:\t${process.pid}\n` +
    `PPid:\t${process.ppid}\nTracerPid:\t0\nUid:\t${four(uidsOf(who))}\nGid:\t${four(gidsOf(who))}\n` +
    `FDSize:\t${process.fds === null ? 0 : 64}\nGroups:\t${who.groups.map((group) => `${group} `).join('')}\n` +
    `NStgid:\t${process.pid}\nNSpid:\t${process.pid}\nNSpgid:\t${process.pgid}\nNSsid:\t${process.sid}\nKthread:\t0\n`
  if (space !== null) {
    const sizes = virtualSizes(space)
    const here = countResident(space, 0, space.map.max)
    text +=
      kb('VmPeak', (Math.max(space.map.peakSize, space.map.size) / PAGE_SIZE) * 4) +
      kb('VmSize', sizes.total * 4) +
      kb('VmLck', sizes.locked * 4) +
      // Always 0: no device has pages pinned.
      kb('VmPin', 0) +
      kb('VmHWM', space.peakResidentPages * 4) +
      kb('VmRSS', here.rss * 4) +
      kb('RssAnon', here.anon * 4) +
      kb('RssFile', here.file * 4) +
      kb('RssShmem', here.shmem * 4) +
      kb('VmData', sizes.data * 4) +
      kb('VmStk', sizes.stack * 4) +
      kb('VmExe', sizes.text * 4) +
      kb('VmLib', Math.max(0, sizes.exec - sizes.text) * 4) +
      // The root is not counted.
      kb('VmPTE', (space.pmap.tablePages - 1) * 4) +
      kb('VmSwap', swapUse(space, 0, space.map.max).pages * 4) +
      kb('HugetlbPages', 0) +
      `CoreDumping:\t0\nTHP_enabled:\t${Number(space.largePagesOff !== 1)}\nuntag_mask:\t0xffffffffffffffff\n`
  }
  const cpus = kernel.machine.cpus.length
  return (
    text +
    `Threads:\t${process.threads.length}\nSigQ:\t${process.pending.count}/4096\n` +
    `SigPnd:\t${set16(leader?.pending.set ?? 0n)}\nShdPnd:\t${set16(process.pending.set)}\n` +
    `SigBlk:\t${set16(leader?.mask ?? 0n)}\nSigIgn:\t${set16(ignored)}\nSigCgt:\t${set16(caught)}\n` +
    capabilityLines(process) +
    `Cpus_allowed:\t${((2 ** cpus - 1) >>> 0).toString(16)}\nCpus_allowed_list:\t${cpuList(cpus)}\n` +
    `voluntary_ctxt_switches:\t${process.usage.voluntarySwitches}\n` +
    `nonvoluntary_ctxt_switches:\t${process.usage.involuntarySwitches}\n`
  )
}
/** `0` or `0-3`. */
export function cpuList(cpus: number): string {
  return cpus === 1 ? '0' : `0-${cpus - 1}`
}

/** /proc/PID/statm: seven counts of pages. @manual proc_pid_statm(5); system-call specification 2.4 */
export function statmText(process: Process): string {
  const { space } = process
  if (space === null) return '0 0 0 0 0 0 0\n'
  const sizes = virtualSizes(space)
  const { residentCount, residentAnon } = space.pmap
  return `${sizes.total} ${residentCount} ${residentCount - residentAnon} ${sizes.text} 0 ${sizes.data + sizes.stack} 0\n`
}

/** /proc/PID/stat: 52 fields on one line. @manual proc_pid_stat(5) */
export function statText(process: Process): string {
  const { usage, childUsage, space, limits } = process
  const { ignored, caught } = handledSignals(process)
  const leader = process.leader
  const ticks = (ns: number) => Math.floor(ns / NS_PER_TICK)
  const rss = space?.residentPages ?? 0
  const rssLimit = limits.soft[RLIMIT_RSS]!
  const low32 = (set: SignalSet) => String(BigInt.asUintN(31, set))
  const fields: (number | string)[] = [
    process.pid,
    `(${process.name})`,
    stateOf(process),
    process.ppid,
    process.pgid,
    process.sid,
    0, // tty_nr
    -1, // tpgid
    0x400000, // flags
    usage.minorFaults,
    childUsage.minorFaults,
    usage.majorFaults,
    childUsage.majorFaults,
    ticks(usage.userNs),
    ticks(usage.systemNs),
    ticks(childUsage.userNs),
    ticks(childUsage.systemNs),
    20, // priority
    0, // nice
    process.threads.length,
    0, // itrealvalue
    ticks(process.startNs),
    space === null ? 0 : virtualSizes(space).total * PAGE_SIZE,
    rss,
    rssLimit === Infinity ? '18446744073709551615' : rssLimit,
    space?.startCode ?? 0,
    space?.endCode ?? 0,
    space?.startStack ?? 0,
    leader === null ? 0 : leader.regs.get(SP),
    leader?.regs.pc ?? 0,
    low32(process.pending.set | (leader?.pending.set ?? 0n)),
    low32(leader?.mask ?? 0n),
    low32(ignored),
    low32(caught),
    0, // wchan
    0, // nswap
    0, // cnswap
    process.exitSignal,
    leader?.cpu ?? 0,
    0, // rt_priority
    0, // policy
    0, // delayacct_blkio_ticks
    0, // guest_time
    0, // cguest_time
    space?.startData ?? 0,
    space?.endData ?? 0,
    space?.startBrk ?? 0,
    space?.argStart ?? 0,
    space?.argEnd ?? 0,
    space?.envStart ?? 0,
    space?.envEnd ?? 0,
    process.exitStatus,
  ]
  return `${fields.join(' ')}\n`
}

const LIMIT_NAMES: readonly (readonly [string, string])[] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''],
  ['Max realtime priority', ''],
  ['Max realtime timeout', 'us'],
]
/** /proc/PID/limits. @manual proc_pid_limits(5) */
export function limitsText(process: Process): string {
  const row = (name: string, soft: string, hard: string, unit: string) =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`
  const value = (n: number) => (n === Infinity ? 'unlimited' : String(n))
  let text = row('Limit', 'Soft Limit', 'Hard Limit', 'Units')
  for (let i = 0; i < RLIMIT_COUNT; i++) {
    const [name, unit] = LIMIT_NAMES[i]!
    text += row(name, value(process.limits.soft[i]!), value(process.limits.hard[i]!), unit)
  }
  return text
}

/** /proc/PID/syscall: `running`, or the number of the call with stack pointer and program counter. */
export function syscallText(process: Process): string {
  const thread = process.leader
  if (thread === null || thread.state !== 'sleeping') return 'running\n'
  const hex = (n: number) => `0x${(n < 0 ? n + 2 ** 64 : n).toString(16)}`
  const arguments_ = [A0, A0 + 1, A0 + 2, A0 + 3, A0 + 4, A0 + 5].map((r) => hex(thread.regs.get(r)))
  return `${thread.syscall} ${arguments_.join(' ')} ${hex(thread.regs.get(SP))} ${hex(thread.regs.pc)}\n`
}

const POLICY_NAMES = [
  'default',
  'prefer',
  'bind',
  'interleave',
  'local',
  'prefer (many)',
  'weighted interleave',
] as const
/** `bind=static:0-1`: as the kernel prints a memory policy. */
function policyText(policy: MemoryPolicy | null): string {
  if (policy === null) return 'default'
  const flags = (policy.flags & 0x8000) !== 0 ? '=static' : (policy.flags & 0x4000) !== 0 ? '=relative' : ''
  return POLICY_NAMES[policy.mode]! + flags + (policy.nodes === 0 ? '' : `:${bitList(policy.nodes)}`)
}
/** `0-2,5`: the bits of a mask. */
function bitList(mask: number): string {
  const runs: string[] = []
  for (let i = 0; i < 32; i++) {
    if ((mask & (1 << i)) === 0) continue
    let last = i
    while (last < 31 && (mask & (1 << (last + 1))) !== 0) last++
    runs.push(last === i ? String(i) : `${i}-${last}`)
    i = last
  }
  return runs.join(',')
}

/** /proc/PID/numa_maps. @manual numa(7) */
export function numaMapsText(process: Process): string {
  const { space } = process
  if (space === null) return ''
  let text = ''
  for (const entry of space.map.entries()) {
    text += `${entry.start.toString(16)} ${policyText(entry.policy ?? process.leader?.policy ?? null)}`
    const name = entryName(space, entry)
    if (entry.file !== null) text += ` file=${name}`
    else if (name === '[heap]' || name === '[stack]') text += ` ${name.slice(1, -1)}`
    text += `${nodeCounts(space, entry)}\n`
  }
  return text
}
/** ` anon=2 dirty=2 active=0 N0=2 kernelpagesize_kB=4`: what of an entry is where; nothing if there is nothing. */
function nodeCounts(space: VmSpace, { start, end }: VmMapEntry): string {
  const { phys } = space.vm
  const { frames } = phys
  const { rss, anon, sharedDirty, privateDirty } = countResident(space, start, end)
  if (rss === 0) return ''
  const nodes = new Map<number, number>()
  let mostMapped = 0
  let active = 0
  let writeback = 0
  pmapForEach(space.pmap, start, end, (_va, pfn) => {
    const f = frames.indexOf(pfn)
    if (f < 0 || (frames.flags[f]! & PG_reserved) !== 0) return
    const { node } = phys.zoneOf(f)
    nodes.set(node, (nodes.get(node) ?? 0) + 1)
    mostMapped = Math.max(mostMapped, frames.mapcount[f]! + 1)
    if ((frames.flags[f]! & (PG_active | PG_unevictable)) !== 0) active++
    if ((frames.flags[f]! & PG_writeback) !== 0) writeback++
  })
  const dirty = sharedDirty + privateDirty
  let text = ''
  if (anon > 0) text += ` anon=${anon}`
  if (dirty > 0) text += ` dirty=${dirty}`
  if (rss !== anon && rss !== dirty) text += ` mapped=${rss}`
  if (mostMapped > 1) text += ` mapmax=${mostMapped}`
  if (active < rss) text += ` active=${active}`
  if (writeback > 0) text += ` writeback=${writeback}`
  for (const [node, pages] of [...nodes].sort((a, b) => a[0] - b[0])) text += ` N${node}=${pages}`
  return `${text} kernelpagesize_kB=4`
}
