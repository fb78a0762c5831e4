// Debian's own free, vmstat, pmap and ps for riscv64, with their dynamic linker and libraries, on our kernel.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, type TestContext } from 'vitest'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { createSystem, type GuestProcess, nameFromBytes, type System } from '../../src/index.ts'
import { skipFor } from '../lacks.ts'
import { procText } from './procTexts.ts'
import { readFree, readPmap, readSmaps, readVmstat, readVmstatSums, readWidePmap } from './tools.ts'
import { mappingsOf, memoryOf, total } from './truth.ts'

const DEBIAN = fileURLToPath(new URL('../../.cache/debian-riscv64', import.meta.url))
const SIGSTOP = 19

/** A system with Debian's file tree as its root. @param turn instructions of a turn */
function debian(context: TestContext, turn = 20_000): System {
  if (!existsSync(`${DEBIAN}/usr/bin/pmap`)) skipFor(context, "Debian's programs for riscv64 (npm run debian)")
  const system = createSystem({ memory: '64M', turn })
  system.mount(new NodeHostFiles(DEBIAN, true), '/')
  return system
}
function start(system: System, command: string, ...args: string[]): GuestProcess {
  return system.spawn(`/usr/bin/${command}`, { args, env: ['PATH=/usr/bin', 'HOME=/root', 'TERM=dumb'] })
}
/** Runs a tool to its end. */
function run(system: System, command: string, ...args: string[]): string {
  const guest = start(system, command, ...args)
  expect(system.run(guest), guest.stderr).toBe(0)
  expect(guest.stderr).toBe('')
  return guest.stdout
}
/**
 * Runs a tool, and looks at the system each time that it has read a file from the start. The system gives a turn for
 * each instruction.
 *
 * @returns what the tool has printed, and what was seen last
 */
function watch<T>(system: System, path: string, look: () => T, command: string, ...args: string[]): [string, T] {
  const guest = start(system, command, ...args)
  const { fds } = guest.process
  const { scheduler } = system.rooms
  let calls = scheduler.systemCalls
  let text: Uint8Array | null = null
  let seen: T | null = null
  const watching = (): boolean => {
    if (calls === scheduler.systemCalls) return guest.hasEnded
    calls = scheduler.systemCalls
    for (const fd of fds!.open) {
      const file = fds!.get(fd)
      if (typeof file !== 'object' || file.path !== path || file.text === text) continue
      text = file.text
      seen = look()
    }
    return guest.hasEnded
  }
  while (!guest.hasEnded) scheduler.step(Infinity, watching)
  expect(guest.status, guest.stderr).toBe(0)
  if (seen === null) throw new Error(`${command} has not read ${path}`)
  return [guest.stdout, seen]
}

describe("Debian's procps on our kernel", () => {
  it('free: RAM, free and shared frames, the page cache', (context) => {
    const system = debian(context, 1)
    const [text, truth] = watch(system, '/proc/meminfo', () => memoryOf(system), 'free', '-w')
    const row = readFree(text)
    expect(row).toMatchObject({ ...truth, buffers: 0 })
    expect(row['used']! + row['available']!).toBe(truth.total)
    system.verify()
  })
  it('vmstat: the same memory, and processes', (context) => {
    const system = debian(context, 1)
    const [text, truth] = watch(system, '/proc/meminfo', () => memoryOf(system), 'vmstat')
    // It leaves itself out of those that are ready to run.
    const { free, cache } = truth
    expect(readVmstat(text)).toMatchObject({ free, cache, r: 0, b: 0, swpd: 0, buff: 0 })
    const sums = readVmstatSums(run(debian(context), 'vmstat', '-s'))
    expect(sums).toMatchObject({ 'total memory': truth.total, 'total swap': 0, forks: 1, 'boot time': 1767225600 })
  })
  it('vmstat and uptime after a sleep: the CPU was idle', (context) => {
    const out = run(debian(context), 'bash', '-c', 'sleep 100; vmstat; cat /proc/uptime')
    const { us, sy, id } = readVmstat(out)
    expect(id).toBeGreaterThan(98)
    expect(us! + sy! + id!).toBe(100)
    const [up, idle] = out.trimEnd().split('\n').at(-1)!.split(' ').map(Number)
    expect(up).toBeGreaterThan(100)
    expect(up! - idle!).toBeGreaterThanOrEqual(0)
    expect(up! - idle!).toBeLessThan(1)
  })
  it('pmap and ps of another process: each mapping as its page tables have it', (context) => {
    const system = debian(context)
    const { kernel } = system.rooms
    const target = start(system, 'bash', '-c', 'words=({1..2000}); cat <(sleep 9) & read < <(sleep 9)')
    while (system.step(20_000) === 'ran' || kernel.processes.byPid.size < 4);
    const processes = [...kernel.processes.byPid.values()]
    system.signalAll(SIGSTOP)
    while (processes.some(({ stopSignal }) => stopSignal !== SIGSTOP)) system.step(20_000)
    for (const process of processes) {
      const pid = String(process.pid)
      const truth = mappingsOf(system, process)
      const { rows, total: sums } = readPmap(run(system, 'pmap', '-x', pid))
      expect(rows).toMatchObject(truth.map(({ start, size, rss, dirty }) => ({ start, size, rss, dirty })))
      expect(sums).toEqual({ size: total(truth, 'size'), rss: total(truth, 'rss'), dirty: total(truth, 'dirty') })
      const smaps = readSmaps(nameFromBytes(procText(system, `/proc/${pid}/smaps`)))
      // Not the proportional size: pages of libraries that the tool touches too are divided among more.
      const columns = [
        'Address',
        'Perm',
        'Offset',
        'Device',
        'Inode',
        'Size',
        'Rss',
        'Referenced',
        'Anonymous',
        'Locked',
      ]
      const pick = (row: Record<string, string | undefined>) => columns.map((name) => row[name])
      expect(readWidePmap(run(system, 'pmap', '-X', pid)).map(pick)).toEqual(smaps.map(pick))
      const sizes = run(system, 'ps', '-o', 'ppid=,stat=,vsz=,rss=', '-p', pid).trim().split(/ +/)
      expect(sizes).toEqual([`${process.ppid}`, expect.stringMatching(/^T/), `${sums.size}`, `${sums.rss}`])
    }
    expect(target.hasEnded).toBe(false)
    system.verify()
  })
})
