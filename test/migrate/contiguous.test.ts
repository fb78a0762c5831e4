// Contiguous ranges out of the memory of running programs: the programs do not notice (issue 5; physical 1.16, 2.15).

import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { EBUSY, type Err, ENOMEM, type Pfn, Rng, type Sleep } from '../../src/base/index.ts'
import { createSystem, type GuestProcess, type System, type SystemConfig } from '../../src/index.ts'
import {
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  allocContigRange,
  allocPagesTry,
  compactMemory,
  drainAllPages,
  failNthAllocation,
  freeContigRange,
  getPage,
  getPageblockMigratetype,
  globalStat,
  MIGRATE_MOVABLE,
  NR_FREE_PAGES,
  PG_anon,
  type Phys,
  putPage,
} from '../../src/kernel/phys/index.ts'
import { pmapForEach } from '../../src/kernel/pmap/index.ts'
import { PROGRAMS } from '../matrix/programs.ts'

const file = (path: string): Uint8Array => readFileSync(new URL(`../../programs/${path}`, import.meta.url))

/** Frames that the address spaces of all processes map now. */
function mappedFrames({ rooms: { kernel } }: System): Pfn[] {
  const { frames } = kernel.phys
  const found = new Set<Pfn>()
  for (const { space } of kernel.processes.byPid.values()) {
    if (space === null) continue
    pmapForEach(space.pmap, 0, space.map.max, (_va, pfn) => {
      if (pfn !== kernel.vm.zeroPfn && frames.indexOf(pfn) >= 0) found.add(pfn as Pfn)
    })
  }
  return [...found].sort((a, b) => a - b)
}

function start(name: string, config: SystemConfig = {}): { system: System; guest: GuestProcess; expected: string } {
  const program = PROGRAMS.find((known) => known.name === name)!
  const system = createSystem({ memory: '32M', seed: 3, ...config })
  const guest = system.spawn(file(program.elf), { name, args: program.smallArgs })
  return { system, guest, expected: new TextDecoder().decode(file(program.expected)) }
}

/** Runs kernel work to its end while the programs stand still: every sleep is over at once. */
function drive<T>(work: Sleep<T>): T {
  for (let sleeps = 0; sleeps < 1000; sleeps++) {
    const step = work.next('timeout')
    if (step.done === true) return step.value
  }
  throw new Error('still asleep')
}

/** Takes the range, looks that it is the caller's alone, and gives it back. */
function takeAndGiveBack(system: System, first: number, pages: number, areProgramsStill = false): 0 | Err {
  const { phys } = system.rooms.kernel
  const work = allocContigRange(phys, first, first + pages, MIGRATE_MOVABLE)
  const result = areProgramsStill ? drive(work) : system.runKernel(work)
  if (result !== 0) return result
  const { frames } = phys
  const moved = new Set<number>(mappedFrames(system))
  for (let pfn = first; pfn < first + pages; pfn++) {
    const f = frames.frameOf(pfn)
    expect([frames.refcount[f], frames.owner[f], frames.mapcount[f], moved.has(pfn)]).toEqual([1, 0, -1, false])
  }
  // Whoever still reads the old frames reads this.
  for (let pfn = first; pfn < first + pages; pfn++) {
    const at = system.rooms.machine.memory.frameOffset(pfn)
    if (at >= 0) system.rooms.machine.memory.u8.fill(0xa5, at, at + 4096)
  }
  freeContigRange(phys, first, pages)
  return 0
}

/** A page that movable blocks lend to somebody who cannot part with it. */
function mustTake(phys: Phys): Pfn {
  const page = allocPagesTry(phys, __GFP_MOVABLE | __GFP_NOWARN, 0)
  if (typeof page !== 'number' || page < 0) throw new Error('the test has memory')
  return page as Pfn
}
// oxlint-disable-next-line require-yield
function* nothingReclaimed(): Sleep<number> {
  return 0
}
// oxlint-disable-next-line require-yield
function* nobodyKilled(): Sleep<boolean> {
  return false
}

/** What a refused call leaves as it was: free pages, isolation, pageblock types, programs' pages and their contents. */
function stateOf(system: System): unknown {
  const { phys } = system.rooms.kernel
  const { memory } = system.rooms.machine
  drainAllPages(phys)
  const blocks: number[] = []
  for (const zone of phys.populatedZones)
    for (let pfn = zone.startPfn; pfn < zone.endPfn; pfn += phys.pageblockPages)
      blocks.push(getPageblockMigratetype(phys, pfn))
  const sums: number[] = []
  for (const { space } of system.rooms.kernel.processes.byPid.values()) {
    if (space === null) continue
    pmapForEach(space.pmap, 0, space.map.max, (va, pfn, flags) => {
      const at = memory.frameOffset(pfn) >>> 2
      let sum = 0
      for (let i = 0; i < 1024; i++) sum = (Math.imul(sum, 31) + memory.i32[at + i]!) | 0
      sums.push(va, flags, sum)
    })
  }
  const isolated = phys.populatedZones.map((zone) => zone.nrIsolatePageblock)
  return { free: globalStat(phys, NR_FREE_PAGES), isolated, blocks, sums }
}

describe('allocContigRange over the memory of running programs', () => {
  // What each of them is made of: anonymous memory, copy-on-write over fork, shared file pages, threads, everything.
  for (const { name } of PROGRAMS) {
    it(`moves the pages of ${name} again and again, and its output is what it was`, () => {
      const config: SystemConfig[] = [{ turn: 499 }, { cpus: 4, tlb: 4096, turn: 97 }]
      for (const shape of config) {
        const { system, guest, expected } = start(name, shape)
        const rng = new Rng(name.length)
        let taken = 0
        let refused = 0
        for (let round = 0; round < 40; round++) {
          // Short programs in short steps.
          system.step(round < 10 ? 200 : 40_000)
          if (guest.hasEnded) break
          const mapped = mappedFrames(system)
          if (mapped.length === 0) continue
          const pfn = mapped[rng.below(mapped.length)]!
          const pages = 1 + rng.below(64)
          const result = takeAndGiveBack(system, Math.max(pfn - rng.below(pages), 0x80000), pages)
          if (result === 0) taken++
          else {
            expect(result).toBe(EBUSY)
            refused++
          }
          if (round % 8 === 0) system.verify()
        }
        system.run(guest)
        system.run()
        expect(guest.stdout).toBe(expected)
        system.verify()
        expect(system.rooms.kernel.phys.nrBadPages).toBe(0)
        expect(system.report().frames.leaked).toBe(0)
        expect(taken).toBeGreaterThan(0)
        expect(taken).toBeGreaterThanOrEqual(refused)
      }
    })
  }

  it('gives up with EBUSY on a page that somebody holds, and undoes everything', () => {
    const { system, guest, expected } = start('forkcow')
    system.step(100_000)
    const { phys } = system.rooms.kernel
    const mapped = mappedFrames(system)
    const held = mapped[mapped.length >> 1]!
    getPage(phys, held)
    const before = stateOf(system)
    expect(takeAndGiveBack(system, held, 1, true)).toBe(EBUSY)
    expect(stateOf(system)).toEqual(before)
    system.verify()
    putPage(phys, held)
    expect(takeAndGiveBack(system, held, 1)).toBe(0)
    system.run(guest)
    expect(guest.stdout).toBe(expected)
    system.run()
    system.verify()
    expect(system.report().frames.leaked).toBe(0)
  })

  it('gives up with EBUSY on page tables and other pages of the kernel', () => {
    const { system, guest } = start('heap')
    system.step(400_000)
    const before = stateOf(system)
    const { root } = system.rooms.kernel.processes.byPid.get(guest.pid)!.space!.pmap
    expect(takeAndGiveBack(system, root, 1, true)).toBe(EBUSY)
    expect(takeAndGiveBack(system, system.rooms.kernel.vm.zeroPfn, 1, true)).toBe(EBUSY)
    expect(stateOf(system)).toEqual(before)
    system.verify()
  })

  it('gives up with ENOMEM when there is nowhere to move to', () => {
    const { system, guest, expected } = start('heap')
    system.step(400_000)
    const { phys } = system.rooms.kernel
    const hog: Pfn[] = []
    for (;;) {
      const page = allocPagesTry(phys, __GFP_MOVABLE | __GFP_MEMALLOC | __GFP_NOWARN, 0)
      if (typeof page !== 'number' || page < 0) break
      hog.push(page as Pfn)
    }
    vi.spyOn(phys.reclaimer!, 'directReclaim').mockImplementation(nothingReclaimed)
    // Whoever were killed for it could not end: programs stand still.
    vi.spyOn(phys.reclaimer!, 'outOfMemory').mockImplementation(nobodyKilled)
    const before = stateOf(system)
    const { frames } = phys
    const anonymous = mappedFrames(system).find((pfn) => (frames.flags[frames.frameOf(pfn)]! & PG_anon) !== 0)!
    expect(takeAndGiveBack(system, anonymous, 1, true)).toBe(ENOMEM)
    expect(stateOf(system)).toEqual(before)
    vi.restoreAllMocks()
    for (const page of hog) putPage(phys, page)
    system.run(guest)
    expect(guest.stdout).toBe(expected)
    system.verify()
  })

  it('moves locked memory too', () => {
    const { system, guest, expected } = start('heap')
    system.step(400_000)
    const { space } = system.rooms.kernel.processes.byPid.get(guest.pid)!
    const heap = [...space!.map.entries()].find(({ object, amap }) => object === null && amap !== null)!
    expect(system.runKernel(system.rooms.kernel.vm.wire(space!.map, heap.start, heap.end))).toBe(0)
    const { wiredPages } = system.rooms.kernel.vm
    expect(wiredPages).toBeGreaterThan(0)
    const { frames } = system.rooms.kernel.phys
    const wired = mappedFrames(system).filter((pfn) => frames.wireCount[frames.frameOf(pfn)]! > 0)
    expect(wired).toHaveLength(wiredPages)
    for (const pfn of wired) expect(takeAndGiveBack(system, pfn, 1, true)).toBe(0)
    expect(system.rooms.kernel.vm.wiredPages).toBe(wiredPages)
    system.verify()
    system.run(guest)
    expect(guest.stdout).toBe(expected)
    expect(system.rooms.kernel.vm.wiredPages).toBe(0)
    system.verify()
  })

  it('loses nothing when the n-th allocation fails, whichever it is', () => {
    const { system, guest, expected } = start('heap')
    const { phys } = system.rooms.kernel
    let failures = 0
    for (let n = 1; !guest.hasEnded && n < 40; n++) {
      system.step(20_000)
      const mapped = mappedFrames(system)
      if (mapped.length === 0) break
      failNthAllocation(phys, n)
      const result = takeAndGiveBack(system, mapped[(n * 7) % mapped.length]!, 64)
      if (phys.failAfter === 0) failures++
      failNthAllocation(phys, 0)
      expect([0, EBUSY, ENOMEM]).toContain(result)
      system.verify()
    }
    expect(failures).toBeGreaterThan(3)
    system.run(guest)
    expect(guest.stdout).toBe(expected)
    system.run()
    system.verify()
    expect(system.report().frames.leaked).toBe(0)
  })
})

describe('compaction of the memory of running programs', () => {
  it('gathers free memory, and the programs do not notice', () => {
    for (const name of ['forkcow', 'torture', 'sharedfile', 'threads']) {
      const { system, guest, expected } = start(name, { cpus: 2, turn: 499 })
      const { phys } = system.rooms.kernel
      // Holes in every pageblock: targets for what is moved.
      const pages: Pfn[] = []
      while (pages.length < 7000) pages.push(mustTake(phys))
      pages.forEach((page, i) => i % 2 === 0 && putPage(phys, page))
      for (let round = 0; round < 25 && !guest.hasEnded; round++) {
        system.step(40_000)
        system.runKernel(compactMemory(phys))
        if (round % 5 === 0) system.verify()
      }
      expect(phys.events.get('pgmigrate_success')).toBeGreaterThan(0)
      pages.forEach((page, i) => i % 2 === 1 && putPage(phys, page))
      system.run(guest)
      expect(guest.stdout).toBe(expected)
      system.run()
      system.verify()
      expect(system.report().frames.leaked).toBe(0)
    }
  })
})
