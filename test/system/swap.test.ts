// Memory that does not fit: swap, the page daemon, the killer, as programs meet them on a booted system.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createSystem, nameFromBytes, type System, type SystemConfig } from '../../src/index.ts'
import type { Process } from '../../src/kernel/process/index.ts'
import { A, ANON, Caller, FIXED, PAGE, PROT_RW, SHARED } from '../process/caller.ts'
import { call, jump, li, tinyElf } from '../tinyElf.ts'

const elf = (name: string): Uint8Array => readFileSync(new URL(`../../programs/bin/${name}.elf`, import.meta.url))
const event = (system: System, name: string): number => system.rooms.kernel.phys.events.get(name)

interface Run {
  readonly stdout: string
  readonly system: System
}
function runProgram(name: string, args: string[], config: SystemConfig): Run {
  const system = createSystem(config)
  const guest = system.spawn(elf(name), { name, args })
  expect(system.run(guest)).toBe(0)
  system.verify()
  expect(system.report().frames.leaked).toBe(0)
  return { stdout: guest.stdout, system }
}

describe('programs with more memory than there is RAM', () => {
  it.each([
    ['forkcow', ['600'], { memory: '5M', seed: 1 }],
    ['forkcow', ['600'], { memory: '5M', seed: 2, cpus: 4 }],
    ['segments', ['1500'], { memory: '6M', seed: 3, cpus: 2 }],
  ])('%s %s prints the same under %o', (name, args, config) => {
    const { stdout, system } = runProgram(name, args, { ...config, swap: '24M' })
    expect(event(system, 'pswpout')).toBeGreaterThan(100)
    expect(event(system, 'pswpin')).toBeGreaterThan(0)
    const vmstat = (word: string) =>
      Number(new RegExp(`^${word} (\\d+)$`, 'm').exec(system.readProc('/proc/vmstat'))![1])
    for (const word of ['nr_vmscan_write', 'nr_written'])
      expect(vmstat(word)).toBeGreaterThanOrEqual(event(system, 'pswpout'))
    expect(vmstat('pgdeactivate')).toBeGreaterThan(event(system, 'pswpout'))
    for (const word of ['pgactivate', 'pgrefill']) expect(vmstat(word)).toBeGreaterThan(0)
    const { swap, faults } = system.report()
    expect(swap).toMatchObject({ pagesOut: event(system, 'pswpout'), pagesIn: event(system, 'pswpin') })
    expect(faults.total).toBe(
      faults.zeroFill +
        faults.zeroPage +
        faults.copyOnWrite +
        faults.fileMinor +
        faults.fileMajor +
        faults.swapIn +
        faults.remap +
        faults.protection,
    )
    expect(stdout).toBe(runProgram(name, args, { memory: '64M', seed: config.seed }).stdout)
  })
  it('do the same again with the same seed, event for event', () => {
    const once = () => {
      const { system } = runProgram('forkcow', ['300'], { memory: '4M', swap: '16M', cpus: 2, seed: 7 })
      return JSON.stringify(system.report())
    }
    expect(once()).toBe(once())
  })
})

/** A process with swap behind it, and what /proc says of it. */
class Swapper extends Caller {
  constructor(config: SystemConfig = {}) {
    super({ memory: '16M', swap: '16M', ...config })
  }
  fill(page: number, count: number, by = 0): void {
    for (let i = page; i < page + count; i++) this.poke(A + i * PAGE, Uint8Array.of((i + by) & 0xff, i >> 8))
  }
  /** Pages of the range that do not hold what `fill` put there. */
  wrong(page: number, count: number, by = 0): number {
    let wrong = 0
    for (let i = page; i < page + count; i++) {
      const [low, high] = this.peek(A + i * PAGE, 2)
      if (low !== ((i + by) & 0xff) || high !== i >> 8) wrong++
    }
    return wrong
  }
  advise(page: number, count: number, advice: number): string {
    return this.ask('madvise', A + page * PAGE, count * PAGE, advice)
  }
  resident(page: number, count: number): number {
    const vector = this.put(new Uint8Array(count))
    expect(this.call('mincore', A + page * PAGE, count * PAGE, vector)).toBe(0)
    return this.peek(vector, count).reduce((sum, byte) => sum + (byte & 1), 0)
  }
  text(path: string): string {
    const fd = this.call('openat', -100, path, 0, 0)
    const buffer = 0x1000_4000
    const bytes = this.call('read', fd, buffer, 0x8000)
    this.call('close', fd)
    return nameFromBytes(this.peek(buffer, bytes))
  }
  /** Number after a name in a file of /proc; in smaps, of the mapping at A. */
  figure(path: string, name: string): number {
    const text = this.text(path)
    const part = path.endsWith('smaps') ? text.slice(text.indexOf(`${A.toString(16)}-`)) : text
    return Number(new RegExp(`^${name.replace(/[()]/g, '\\$&')}:?\\s+(\\d+)`, 'm').exec(part)?.[1] ?? NaN)
  }
  fork(): Process {
    const pid = this.call('clone', 17)
    expect(pid).toBeGreaterThan(0)
    return this.system.rooms.kernel.processes.byPid.get(pid)!
  }
}
const COLD = 20
const PAGEOUT = 21
const FREE = 8

describe('swap, seen by a program', () => {
  it('MADV_PAGEOUT sends private pages out; they come back by major faults', () => {
    const c = new Swapper()
    c.mmap(A, 64, PROT_RW)
    c.fill(0, 64)
    expect(c.advise(0, 64, PAGEOUT)).toBe('ok')
    expect(c.resident(0, 64)).toBe(0)
    expect(c.figure('/proc/self/smaps', 'Rss')).toBe(0)
    expect(c.figure('/proc/self/smaps', 'Swap')).toBe(256)
    expect(c.figure('/proc/self/smaps', 'SwapPss')).toBe(256)
    expect(c.figure('/proc/self/smaps_rollup', 'Swap')).toBe(256)
    expect(c.figure('/proc/self/status', 'VmSwap')).toBe(256)
    const total = c.figure('/proc/meminfo', 'SwapTotal')
    expect([total, c.figure('/proc/meminfo', 'SwapFree')]).toEqual([16380, 16380 - 256])
    expect(c.text('/proc/swaps')).toBe(
      'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n' +
        `${'/dev/swap0'.padEnd(40)}partition\t16380\t\t256\t\t-2\n`,
    )
    const fd = c.call('openat', -100, '/proc/self/pagemap', 0, 0)
    c.call('pread64', fd, 0x1000_4000, 16, (A / PAGE) * 8)
    const words = new BigUint64Array(c.peek(0x1000_4000, 16).slice().buffer)
    // Swapped; device 0; its first pages behind the header.
    expect([...words].map((word) => [word >> 62n, word & 31n, (word & 0x7fffffffffffffn) >> 5n])).toEqual([
      [1n, 0n, 1n],
      [1n, 0n, 2n],
    ])
    const { stats } = c.system.rooms.kernel.vm
    const before = stats.majorFaults
    expect(c.wrong(0, 32)).toBe(0)
    expect(stats.majorFaults - before).toBe(32)
    // Read only: the copy in swap is still good.
    expect(c.figure('/proc/meminfo', 'SwapCached')).toBe(128)
    expect(c.figure('/proc/self/status', 'VmSwap')).toBe(128)
    c.fill(0, 32, 1)
    expect(c.figure('/proc/meminfo', 'SwapFree')).toBe(total - 128)
    expect([c.wrong(0, 32, 1), c.wrong(32, 32)]).toEqual([0, 0])
    expect(c.figure('/proc/vmstat', 'pswpin')).toBe(64)
    expect(c.figure('/proc/vmstat', 'pswpout')).toBe(64)
    c.system.verify()
    expect(c.ask('munmap', A, 64 * PAGE)).toBe('ok')
    expect(c.system.rooms.kernel.vm.anons.swap!.swpginuse).toBe(0)
  })
  it('fork shares what is in swap: read once by each, written by one', () => {
    const c = new Swapper()
    c.mmap(A, 16, PROT_RW)
    c.fill(0, 16)
    const parent = c.process
    const child = c.fork()
    c.process = parent
    c.advise(0, 16, PAGEOUT)
    // Two map each page: neither may send it away.
    expect(c.resident(0, 16)).toBe(16)
    c.process = child
    c.ask('munmap', A, 16 * PAGE)
    c.process = parent
    expect(c.advise(0, 16, PAGEOUT)).toBe('ok')
    const other = c.fork()
    expect(c.figure('/proc/self/smaps', 'Swap')).toBe(64)
    expect(c.figure('/proc/self/smaps', 'SwapPss')).toBe(32)
    const { swap } = c.system.rooms.kernel.vm.anons
    expect(swap!.swpginuse).toBe(16)
    c.process = other
    c.fill(0, 8, 5)
    expect([c.wrong(0, 8, 5), c.wrong(8, 8)]).toEqual([0, 0])
    c.process = parent
    expect(c.wrong(0, 16)).toBe(0)
    expect(swap!.nswget).toBe(16)
    c.system.verify()
  })
  it('shared memory goes out by one and comes back by another', () => {
    const c = new Swapper()
    c.mmap(A, 16, PROT_RW, SHARED | ANON | FIXED)
    c.fill(0, 16)
    const parent = c.process
    const shmem = c.figure('/proc/meminfo', 'Shmem')
    expect(c.advise(0, 16, PAGEOUT)).toBe('ok')
    expect(c.resident(0, 16)).toBe(0)
    expect(c.figure('/proc/meminfo', 'Shmem')).toBe(shmem - 64)
    expect([c.figure('/proc/self/smaps', 'Swap'), c.figure('/proc/self/smaps', 'SwapPss')]).toEqual([64, 0])
    c.process = c.fork()
    expect(c.wrong(0, 16)).toBe(0)
    c.fill(0, 16, 3)
    c.process = parent
    expect(c.wrong(0, 16, 3)).toBe(0)
    expect(c.system.rooms.kernel.vm.anons.swap!.swpginuse).toBe(0)
    c.system.verify()
  })
  it('a memory file in swap is read, written in part, cut short and punched', () => {
    const c = new Swapper()
    const fd = c.call('memfd_create', 'm', 0)
    c.call('ftruncate', fd, 8 * PAGE)
    c.call('mmap', A, 8 * PAGE, PROT_RW, SHARED | FIXED, fd, 0)
    c.fill(0, 8, 1)
    const out = () => {
      expect(c.advise(0, 8, PAGEOUT)).toBe('ok')
      expect(c.resident(0, 8)).toBe(0)
    }
    out()
    const { swap } = c.system.rooms.kernel.vm.anons
    expect(swap!.swpginuse).toBe(8)
    expect(c.call('lseek', fd, 0, 3)).toBe(0) // SEEK_DATA
    expect(c.call('lseek', fd, 0, 4)).toBe(8 * PAGE) // SEEK_HOLE
    expect(c.call('pread64', fd, 0x1000_4000, 4, PAGE)).toBe(4)
    expect([...c.peek(0x1000_4000, 4)]).toEqual([2, 0, 0, 0])
    expect(c.call('pwrite64', fd, 'x', 1, 2 * PAGE + 1)).toBe(1)
    expect([...c.peek(A + 2 * PAGE, 3)]).toEqual([3, 'x'.charCodeAt(0), 0])
    out()
    expect(c.call('fallocate', fd, 3, 3 * PAGE, PAGE)).toBe(0)
    expect(swap!.swpginuse).toBe(7)
    // Half of page 4 stays: it must be read to be zeroed in part.
    expect(c.call('ftruncate', fd, 4 * PAGE + 1)).toBe(0)
    expect(c.call('ftruncate', fd, 8 * PAGE)).toBe(0)
    expect([3, 4, 5].map((page) => c.peek(A + page * PAGE, 1)[0])).toEqual([0, 5, 0])
    expect(c.wrong(0, 2, 1)).toBe(0)
    c.system.verify()
    c.ask('munmap', A, 8 * PAGE)
    c.call('close', fd)
    expect(swap!.swpginuse).toBe(0)
  })
  it('MADV_COLD takes the marks of use away, MADV_FREE gives pages up that are not written again', () => {
    const c = new Swapper()
    c.mmap(A, 8, PROT_RW)
    c.fill(0, 8, 9)
    expect(c.figure('/proc/self/smaps', 'Referenced')).toBe(32)
    const active = c.figure('/proc/meminfo', 'Active(anon)')
    expect(c.advise(0, 8, COLD)).toBe('ok')
    expect(c.figure('/proc/self/smaps', 'Referenced')).toBe(0)
    expect(c.figure('/proc/self/smaps', 'Private_Dirty')).toBe(32)
    expect(c.figure('/proc/meminfo', 'Active(anon)')).toBeLessThan(active)
    expect(c.advise(0, 8, FREE)).toBe('ok')
    expect(c.figure('/proc/self/smaps', 'LazyFree')).toBe(32)
    c.poke(A, Uint8Array.of(77))
    expect(c.figure('/proc/self/smaps', 'LazyFree')).toBe(28)
    const written = event(c.system, 'pswpout')
    expect(c.advise(1, 7, PAGEOUT)).toBe('ok')
    expect(event(c.system, 'pswpout')).toBe(written)
    expect([0, 1, 7].map((page) => c.peek(A + page * PAGE, 1)[0])).toEqual([77, 0, 0])
    c.system.verify()
  })
  it('locked memory stays, and pressure takes the rest', () => {
    const c = new Swapper({ memory: '6M', swap: '16M' })
    c.mmap(A, 2500, PROT_RW)
    c.fill(0, 100)
    expect(c.ask('mlock', A, 100 * PAGE)).toBe('ok')
    c.fill(100, 2400)
    expect(c.resident(0, 100)).toBe(100)
    expect(c.resident(100, 2400)).toBeLessThan(1500)
    expect(event(c.system, 'pgsteal_kswapd')).toBeGreaterThan(0)
    expect(c.wrong(0, 2500)).toBe(0)
    c.system.verify()
  })
  it('when swap is full, what cannot go stays, until nothing goes any more', () => {
    const c = new Swapper({ memory: '8M', swap: '2M' })
    c.mmap(A, 1500, PROT_RW)
    c.fill(0, 1500)
    expect(c.wrong(0, 1500)).toBe(0)
    c.fill(0, 1500, 4)
    expect(c.wrong(0, 1500, 4)).toBe(0)
    expect(event(c.system, 'oom_kill')).toBe(0)
    c.system.verify()
  })
})

describe('when memory runs out', () => {
  /** A program that stores to one page after the other, `pages` of them, and then waits. */
  const hog = (system: System) => system.spawn(elf('sparse'), { name: 'sparse', args: ['4000'] })
  it('the largest is killed, unless it must not be', () => {
    const system = createSystem({ memory: '16M', seed: 1 })
    const bystander = system.spawn(tinyElf([jump(0)]), { name: 'bystander' })
    const large = hog(system)
    expect(system.run(large)).toBe(137)
    expect(large.end).toMatchObject({ signal: 'SIGKILL', cause: { reason: 'out of memory' } })
    expect(bystander.hasEnded).toBe(false)
    expect(event(system, 'oom_kill')).toBe(1)
    expect(system.rooms.kernel.phys.log.lines.at(-1)).toMatch(
      /^Out of memory: Killed process 2 \(sparse\) total-vm:\d+kB/,
    )
    system.verify()

    const spared = createSystem({ memory: '16M', seed: 1 })
    const small = spared.spawn(tinyElf([jump(0)]), { name: 'small' })
    const never = hog(spared)
    never.process.oomScoreAdj = -1000
    while (!small.hasEnded) spared.step(100_000)
    expect(small.end).toMatchObject({ signal: 'SIGKILL', cause: { reason: 'out of memory' } })
    spared.verify()
  })
  it('oom_score_adj makes the small one go', () => {
    const c = new Swapper({ memory: '16M', swap: 0 })
    const score = c.figure('/proc/self/status', 'VmRSS')
    expect(score).toBeGreaterThan(0)
    const child = c.fork()
    child.oomScoreAdj = 1000
    expect(Number(c.text(`/proc/${child.pid}/oom_score`))).toBeGreaterThan(Number(c.text('/proc/self/oom_score')))
    c.mmap(A, 4000, PROT_RW)
    for (let i = 0; i < 4000 && child.state === 'alive'; i++) c.poke(A + i * PAGE, Uint8Array.of(1))
    expect(child.state).not.toBe('alive')
    expect(c.process.state).toBe('alive')
  })
  it.each([0, '1M'])('a fork bomb ends, with swap %s, and the system lives', (swap) => {
    const system = createSystem({ memory: '5M', swap, seed: 5 })
    // for (;;) fork()
    const fork = [li('a0', 17), li('a1', 0), ...call(220)]
    const bomb = system.spawn(tinyElf([...fork, jump(-4 * fork.length)]), {
      name: 'bomb',
    })
    for (let i = 0; i < 3000 && !bomb.hasEnded; i++) system.step(1_000_000)
    expect(bomb.end).toMatchObject({ signal: 'SIGKILL', cause: { reason: 'out of memory' } })
    system.verify()
  })
})
