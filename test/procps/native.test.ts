// This computer's own free, vmstat, pmap, ps and top, with our texts in the place of /proc: what they print must be what
// the page tables and frames of the system say.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { createSystem, nameFromBytes, type System, type SystemConfig } from '../../src/index.ts'
import type { Process } from '../../src/kernel/process/index.ts'
import { missingTool, skipFor } from '../lacks.ts'
import { copyProc, procText } from './procTexts.ts'
import { readFree, readPmap, readSmaps, readVmstat, readVmstatSums, readWidePmap } from './tools.ts'
import { mappingsOf, memoryOf, total } from './truth.ts'

/**
 * A private view of the file tree, and of process numbers: ps looks itself up, and finds our process 1. As root, or else
 * as the root of a user namespace.
 */
const UNSHARE = ['--mount', '--pid', '--fork', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])]
const folder = mkdtempSync(join(tmpdir(), 'pagewright-procps-'))

/** Runs a tool with a directory in the place of /proc. */
function under(proc: string, ...command: string[]) {
  const script = 'mount --bind "$0" /proc && exec "$@"'
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TERM: 'dumb', COLUMNS: '200' }
  return spawnSync('unshare', [...UNSHARE, 'sh', '-c', script, proc, ...command], { encoding: 'utf8', env })
}
function lacking(): string | null {
  const tool = missingTool('unshare', 'free', 'vmstat', 'pmap', 'ps', 'top')
  if (tool !== null) return `${tool} (Debian: procps, util-linux)`
  return under(folder, 'true').status === 0 ? null : 'the right to mount a directory over /proc'
}

/** A program in the middle of its run. */
function midRun(
  isThere: (system: System) => boolean,
  [program, ...args] = ['showcase', '200'],
  config: SystemConfig = { memory: '64M', cpus: 2 },
): { system: System; leader: Process } {
  const system = createSystem(config)
  const guest = system.spawn(readFileSync(`programs/bin/${program}.elf`), { name: program!, args })
  while (!isThere(system)) if (system.step(50_000) === 'done') throw new Error(`${program} has ended before`)
  return { system, leader: guest.process }
}
const MOMENTS: readonly (readonly [string, (system: System) => boolean])[] = [
  ['while four children share memory with their parent', (system) => system.rooms.kernel.processes.byPid.size === 5],
  ['while two processes fill memory they share', (system) => system.report().frames.sharedMemory > 100],
]

const lacks = lacking()
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs a tool of this computer on a copy of /proc. */
function run(context: TestContext, proc: string, ...command: string[]): string {
  if (lacks !== null) skipFor(context, lacks)
  const { status, stdout, stderr } = under(proc, ...command)
  expect(stderr, command.join(' ')).toBe('')
  expect(status, command.join(' ')).toBe(0)
  return stdout
}

it("this computer's procps, while memory is in swap: its devices, and the pages that went there", (context) => {
  const swapOf = (system: System) => system.rooms.kernel.vm.anons.swap!
  const { system, leader } = midRun((now) => swapOf(now).swpginuse > 300, ['forkcow', '1500'], {
    memory: '4M',
    swap: ['8M', '1M'],
  })
  const proc = join(folder, 'swap')
  copyProc(system, proc, leader.pid)
  const { devices, swpginuse, phys } = swapOf(system)
  const size = devices.reduce((sum, { pages }) => sum + pages * 4, 0)
  const [, , row] = run(context, proc, 'free').split('\n')
  expect(row).toMatch(new RegExp(`^Swap: +${size} +${swpginuse * 4} +${size - swpginuse * 4}$`))
  const sums = readVmstatSums(run(context, proc, 'vmstat', '-s'))
  expect(sums).toMatchObject({ 'total swap': size, 'used swap': swpginuse * 4 })
  expect(sums['pages swapped out']).toBe(phys.events.get('pswpout'))
  // Some are on their way.
  expect(sums['pages swapped out']).toBeGreaterThan(swpginuse / 2)
  expect(readVmstat(run(context, proc, 'vmstat'))).toMatchObject({ swpd: swpginuse * 4 })
  const rows = readWidePmap(run(context, proc, 'pmap', '-X', String(leader.pid)))
  const sum = (name: string): number => rows.reduce((all, each) => all + Number(each[name]), 0)
  // A page that came back may still have its place in swap.
  expect(sum('Swap')).toBeGreaterThan(0)
  expect(sum('Swap')).toBeLessThanOrEqual(swpginuse * 4)
  expect(sum('Rss')).toBe(total(mappingsOf(system, leader), 'rss'))
})

describe.each(MOMENTS)("this computer's procps, %s", (moment, isThere) => {
  const { system, leader } = midRun(isThere)
  const proc = join(folder, moment)
  const processes = [...system.rooms.kernel.processes.byPid.values()]
  const isReady = ({ threads }: Process): boolean => threads.some(({ state }) => state !== 'sleeping')
  const ready = processes.filter(isReady).length
  beforeAll(() => copyProc(system, proc, leader.pid))

  it('free: RAM, free and shared frames, the page cache', (context) => {
    const row = readFree(run(context, proc, 'free', '-w'))
    const truth = memoryOf(system)
    expect(row).toMatchObject({ ...truth, buffers: 0 })
    expect(row['used']! + row['available']!).toBe(truth.total)
    expect(row['available']).toBeGreaterThan(truth.free / 2)
    expect(row['available']).toBeLessThanOrEqual(truth.free + truth.cache)
    const bytes = readFree(run(context, proc, 'free', '-b', '-w'))
    expect(bytes['total']).toBe(truth.total * 1024)
  })
  it('vmstat: the same memory, and who is ready to run', (context) => {
    const row = readVmstat(run(context, proc, 'vmstat'))
    const truth = memoryOf(system)
    expect(row).toMatchObject({ r: ready, b: 0, swpd: 0, free: truth.free, buff: 0, cache: truth.cache })
    const { machine, kernel } = system.rooms
    const sums = readVmstatSums(run(context, proc, 'vmstat', '-s'))
    expect(sums).toMatchObject({
      'total memory': truth.total,
      'free memory': truth.free,
      'buffer memory': 0,
      'total swap': 0,
      forks: kernel.processes.forks,
      'boot time': kernel.files.bootSeconds,
    })
    const ticks = (ns: (cpu: (typeof machine.cpus)[number]) => number): number =>
      Math.floor(machine.cpus.reduce((sum, cpu) => sum + ns(cpu), 0) / 1e7)
    // What has ended is with the parent that has waited for it.
    const used = processes.reduce((sum, { usage, childUsage }) => sum + usage.userNs + childUsage.userNs, 0)
    expect(sums['non-nice user cpu ticks']).toBe(Math.floor(used / 1e7))
    expect(sums).toMatchObject({
      'idle cpu ticks': ticks(({ time, userNs, systemNs }) => Math.max(time, machine.clock.now) - userNs - systemNs),
      'CPU context switches': machine.cpus.reduce((sum, { switches }) => sum + switches, 0),
    })
    // In KiB. Nothing that was read is gone again.
    expect(sums).toMatchObject({ 'paged in': system.report().frames.fileCache * 4, 'paged out': 0 })
    expect(sums['active memory']! + sums['inactive memory']!).toBeLessThanOrEqual(truth.total - truth.free)
  })
  it('pmap -x: each mapping, its resident and its dirty pages', (context) => {
    for (const process of processes) {
      const truth = mappingsOf(system, process)
      const { rows, total: sums } = readPmap(run(context, proc, 'pmap', '-x', String(process.pid)))
      expect(rows.map(({ start, size, rss, dirty }) => ({ start, size, rss, dirty }))).toEqual(
        truth.map(({ start, size, rss, dirty }) => ({ start, size, rss, dirty })),
      )
      expect(sums).toEqual({ size: total(truth, 'size'), rss: total(truth, 'rss'), dirty: total(truth, 'dirty') })
      expect(rows.at(-1)).toMatchObject({ mode: 'rw---', mapping: '[ stack ]' })
      expect(rows[0]).toMatchObject({ mode: 'r-x--', mapping: 'showcase' })
    }
  })
  it('pmap -X and -XX: every column is what smaps says, and smaps what the page tables say', (context) => {
    for (const process of processes) {
      const truth = mappingsOf(system, process)
      const smaps = readSmaps(nameFromBytes(procText(system, `/proc/${process.pid}/smaps`)))
      for (const how of ['-X', '-XX']) {
        const rows = readWidePmap(run(context, proc, 'pmap', how, String(process.pid)))
        expect(rows.length).toBe(smaps.length)
        for (const [i, row] of rows.entries()) {
          const told = smaps[i]!
          // The last two columns are several words, or none.
          const names = Object.keys(row).filter((name) => name !== 'VmFlags' && name !== 'Mapping')
          expect(names.map((name) => [name, row[name]])).toEqual(names.map((name) => [name, told[name]]))
          expect(truth[i]).toMatchObject({
            start: parseInt(row['Address']!, 16),
            size: Number(row['Size']),
            rss: Number(row['Rss']),
            pss: Number(row['Pss']),
            anonymous: Number(row['Anonymous']),
          })
        }
      }
    }
  })
  it('ps and top: sizes of processes, parents, states', (context) => {
    const rows = run(context, proc, 'ps', '--sort', 'pid', '-eo', 'pid=,ppid=,vsz=,rss=,nlwp=,comm=').trim().split('\n')
    const truth = processes.map((process) => {
      const maps = mappingsOf(system, process)
      return `${process.pid} ${process.ppid} ${total(maps, 'size')} ${total(maps, 'rss')} 1 showcase`
    })
    expect(rows.map((row) => row.trim().replace(/ +/g, ' '))).toEqual(truth)
    const top = run(context, proc, 'top', '-b', '-n', '1', '-E', 'k')
    const { total: all, free } = memoryOf(system)
    expect(top).toMatch(new RegExp(`^KiB Mem : +${all}(?:\\.0)? total, +${free}(?:\\.0)? free`, 'm'))
    const sleeping = processes.length - ready
    expect(top).toMatch(
      new RegExp(`^Tasks: +${processes.length} total, +${ready} running, +${sleeping} sleeping,`, 'm'),
    )
  })
})
