import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { addi, call, ecall, exit, jump, ld, li, lui, sd, textAddress, tinyElf } from '../tinyElf.ts'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { ConfigError, createSystem, KernelPanic, ProgramError, StuckError, type System } from '../../src/index.ts'
import { allocPagesTry, GFP_KERNEL } from '../../src/kernel/phys/index.ts'

const elf = (name: string): Uint8Array => readFileSync(new URL(`../../programs/bin/${name}.elf`, import.meta.url))
const small = (config = {}): System => createSystem({ memory: '16M', ...config })

describe('createSystem', () => {
  it('boots under every shape of machine, with every invariant true and nothing lost', () => {
    for (const config of [
      { memory: '4M' },
      { cpus: 4, nodes: 2, pages: 'sv39' },
      { tlb: '1' },
      { nodes: 3 },
    ] as const) {
      const system = small({ memory: '32M', ...config })
      system.verify()
      expect(system.report().frames.leaked).toBe(0)
      const { free, kernel, reserved, total, pageTables, sharedMemory } = system.report().frames
      expect(free + kernel + reserved + pageTables + sharedMemory).toBe(total)
    }
  })
  it('refuses a configuration with a ConfigError', () => {
    expect(() => createSystem({ cpus: 99 })).toThrow(ConfigError)
  })
  it('keeps two systems in one process apart', () => {
    const [one, two] = [small({ seed: 1 }), small({ seed: 2 })]
    const first = one.spawn(elf('hello'), { args: ['2'] })
    const second = two.spawn(elf('hello'), { args: ['1'] })
    expect([two.run(second), one.run(first)]).toEqual([0, 0])
    expect(first.stdout).toContain('line 2')
    expect(second.stdout).not.toContain('line 2')
  })
})

describe('System.verify', () => {
  it('sees a broken invariant in any room, and a lost frame in the report', () => {
    const start = (): System => {
      const system = small()
      system.spawn(elf('heap'), { args: ['100'] })
      system.step(100_000)
      system.verify()
      return system
    }
    const breaks: ((system: System) => void)[] = [
      ({ rooms: { kernel } }) => void kernel.vm.anons.ref[1]!++,
      ({ rooms: { kernel } }) =>
        void kernel.phys.frames.mapcount[kernel.phys.frames.frameOf(kernel.vm.zeroPfn) + 64]!++,
      ({ rooms: { kernel } }) => void [...kernel.processes.byPid.values()][0]!.space!.map.size++,
      ({ rooms: { kernel } }) => void [...kernel.processes.byPid.values()][0]!.space!.pmap.residentCount++,
    ]
    for (const harm of breaks) {
      const system = start()
      harm(system)
      expect(() => system.verify()).toThrow(KernelPanic)
    }
    const system = start()
    const { phys } = system.rooms.kernel
    expect(typeof allocPagesTry(phys, GFP_KERNEL, 1)).toBe('number')
    expect(system.report().frames.leaked).toBe(2)
  })
})

describe('System.spawn', () => {
  it('tells what is wrong with a program, with kind and offset', () => {
    const system = small()
    const bad = elf('hello').slice()
    bad[18] = 62
    let error: unknown = null
    try {
      system.spawn(bad, { name: 'bad' })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(ProgramError)
    expect(error).toMatchObject({ kind: 'wrong machine', offset: 0x12 })
    expect((error as Error).message).toMatch(/^bad: wrong machine at offset 0x12: /)
    expect(() => system.spawn('/bin/nothing')).toThrow(/nothing: cannot be started: no such file/)
    expect(system.report().frames.leaked).toBe(0)
    system.verify()
  })
  it('gives standard input, and hands output on as it comes', () => {
    const system = small()
    // read(0, sp, 16); write(1, sp, 16)
    const code = [
      [addi('sp', 'sp', -16), li('a0', 0), addi('a1', 'sp', 0), li('a2', 16), ...call(63)],
      [addi('a2', 'a0', 0), li('a0', 1), ...call(64), ...exit(4)],
    ].flat()
    const pieces: string[] = []
    const guest = system.spawn(tinyElf(code), {
      stdin: 'typed',
      stdout: (bytes) => pieces.push(String.fromCharCode(...bytes)),
    })
    expect(system.run(guest)).toBe(4)
    expect(pieces).toEqual(['typed'])
  })
})

describe('GuestProcess', () => {
  it('is loaded and stored through its address space, by faults and with its protection', () => {
    const system = small()
    const code = [ld('a0', 'sp', -64), ...call(93)]
    const guest = system.spawn(tinyElf(code, 'text'))
    expect(Buffer.from(guest.load(textAddress(code.length), 4)).toString()).toBe('text')
    const stack = guest.process.leader!.regs.get(2)
    const before = guest.counters.residentPages
    guest.store(stack - 64, new Uint8Array([33]))
    guest.store(stack - 40_000, new Uint8Array([1]))
    expect(guest.counters.residentPages).toBeGreaterThan(before)
    expect(() => guest.load(0x7000_0000, 1)).toThrow(RangeError)
    expect(() => guest.load(stack, 2 ** 20)).toThrow(/EFAULT/)
    expect(guest.maps).toContain('[stack]')
    expect(system.run(guest)).toBe(33)
    expect(() => guest.load(stack, 1)).toThrow(/has ended/)
    expect(guest.maps).toContain('[stack]')
    expect(guest.counters.instructions).toBe(2) // an ecall does not retire
  })
  it('cannot be stored to where it may not store itself', () => {
    const system = small()
    const guest = system.spawn(elf('hello'))
    const [start] = guest.maps.split('-')
    expect(() => guest.store(Number.parseInt(start!, 16), new Uint8Array(1))).toThrow(RangeError)
  })
  it('is ended by a signal', () => {
    const system = small()
    const guest = system.spawn(tinyElf([jump(0)]))
    expect(system.step(50_000)).toBe('ran')
    expect(guest.status).toBeNull()
    guest.kill(15)
    expect(system.run(guest)).toBe(143)
    expect(guest.end).toEqual({ status: 143, signal: 'SIGTERM', cause: null })
  })
})

describe('System.step', () => {
  it('answers idle with the time of the next wake-up, and goes there with the next step', () => {
    const system = small()
    // nanosleep({ 3 s, 0 })
    const code = [addi('sp', 'sp', -16), li('t0', 3), sd('t0', 'sp', 0), sd('zero', 'sp', 8), addi('a0', 'sp', 0)]
    system.spawn(tinyElf([...code, li('a1', 0), ...call(101), ...exit(0)]))
    let result = system.step(1_000_000)
    while (result === 'ran') result = system.step(1_000_000)
    expect(result).toMatchObject({ idleUntil: expect.any(Number) })
    const { idleUntil } = result as { idleUntil: number }
    expect(idleUntil).toBeGreaterThanOrEqual(3e9)
    expect(system.now).toBeLessThan(3e9)
    expect(system.step(1_000_000)).toBe('done')
    expect(system.now).toBeGreaterThanOrEqual(3e9)
  })
  it('waits for the host when only the host can wake the sleepers; run then throws', () => {
    const system = small()
    const guest = system.spawn(
      tinyElf([li('a0', 0), li('a1', 0), li('a2', 0), li('a3', 0), li('a4', 0), ...call(73), ecall]),
    )
    expect(system.step(1_000_000)).toBe('waiting for host')
    expect(() => system.run(guest)).toThrow(StuckError)
    guest.kill(9)
    expect(system.run(guest)).toBe(137)
    expect(system.step(1)).toBe('done')
  })
})

describe('a run', () => {
  it('is the same for the same seed, event for event, and finds other interleavings with other seeds', () => {
    const runWith = (seed: number): string => {
      const system = small({ seed, cpus: 4, memory: '32M', turn: 500 })
      const guest = system.spawn(elf('forkcow'), { args: ['16'] })
      expect(system.run(guest)).toBe(0)
      return JSON.stringify({ ...system.report(), machine: null })
    }
    const runs = [1, 2, 3].map(runWith)
    expect([1, 2, 3].map(runWith)).toEqual(runs)
    expect(new Set(runs).size).toBe(3)
  })
  it('ends a program out of memory, and leaves the frames to the next one', () => {
    const system = small({ memory: '8M' })
    // mmap 256 MiB without reserving, then touch page after page
    const eat = [
      [li('a0', 0), lui('a1', 0x10000), li('a2', 3), lui('a3', 4), addi('a3', 'a3', 0x22)],
      [addi('a4', 'zero', -1), li('a5', 0), ...call(222), lui('t1', 1)],
      [sd('zero', 'a0', 0), 0x00650533, jump(-8)],
    ].flat()
    for (let i = 0; i < 3; i++) {
      const guest = system.spawn(tinyElf(eat))
      expect(system.run(guest)).toBe(137)
      expect(guest.end!.cause).toMatchObject({ reason: 'out of memory' })
      expect(guest.counters.peakResidentPages).toBeGreaterThan(1800)
      system.verify()
      expect(system.report().frames).toMatchObject({ leaked: 0, anonymous: 0 })
    }
    expect(system.run(system.spawn(elf('hello'), { args: ['1'] }))).toBe(0)
  })
  it('gets memory back from files when it runs out, and the program cannot tell', () => {
    const runWith = (memory: string): { stdout: string; major: number } => {
      const folder = mkdtempSync(join(tmpdir(), 'pagewright-reclaim-'))
      try {
        const system = createSystem({ memory })
        system.mount(new NodeHostFiles(folder, false), '/work', true)
        const guest = system.spawn(elf('sharedfile'), { args: ['500', '/work'] })
        expect(system.run(guest), guest.stderr).toBe(0)
        system.verify()
        expect(system.report().frames.leaked).toBe(0)
        return { stdout: guest.stdout, major: system.report().faults.fileMajor }
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
    const [scarce, ample] = [runWith('4M'), runWith('64M')]
    expect(scarce.stdout).toBe(ample.stdout)
    expect(scarce.major).toBeGreaterThan(ample.major)
  })
  it('tells where and why a program was ended', () => {
    const cases: [number[], number, object][] = [
      [[sd('zero', 'zero', 16)], 139, { reason: 'no mapping', access: 'store', address: '0x10' }],
      [
        [lui('t0', 0x80000), ld('t0', 't0', 0)],
        139,
        { reason: 'no mapping', access: 'load', address: '0xffffffff80000000' },
      ],
      [[jump(0x1000)], 139, { reason: 'no mapping', access: 'fetch', address: '0x11078' }],
      [[0], 132, { reason: 'illegal instruction', access: null, pc: '0x10078' }],
      [[0x00100073], 133, { reason: 'breakpoint' }],
    ]
    for (const [code, status, cause] of cases) {
      const system = small()
      const guest = system.spawn(tinyElf(code))
      expect(system.run(guest)).toBe(status)
      expect(guest.end!.cause).toMatchObject(cause)
    }
  })
})
