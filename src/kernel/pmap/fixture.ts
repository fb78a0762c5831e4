// A machine with a pmap room and a few pages, for the tests of this room.

import { isErr, kassert, KiB, MiB, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { ACCESS_LOAD, ACCESS_STORE, Machine, type PteFormat, sv48 } from '../../machine/index.ts'
import { allocPagesTry, bootPhys, GFP_NOWAIT } from '../phys/index.ts'
import { pmapActivate, pmapDeactivate } from './pmapActivate.ts'
import { pmapCreate } from './pmapCreate.ts'
import { Pmap, Pmaps, type PmapOptions } from './pmaps.ts'

export interface FixtureOptions extends PmapOptions {
  readonly cpus?: number
  readonly format?: PteFormat
  readonly tlbEntries?: number
}

/** First user address of the scenarios. */
export const B = 0x1000_0000
export const P = PAGE_SIZE

export class Fixture {
  readonly machine: Machine
  readonly room: Pmaps
  readonly pm: Pmap
  readonly pm2: Pmap

  constructor(options: FixtureOptions = {}) {
    const ram = [{ start: 0, end: 16 * MiB }]
    this.machine = new Machine({
      ram,
      cpus: options.cpus ?? 1,
      tlb: { entries: options.tlbEntries ?? 64 },
      format: options.format ?? sv48,
      seed: 1,
    })
    const phys = bootPhys(this.machine, { memory: ram, reserved: [{ start: 0, end: 64 * KiB }] })
    this.room = new Pmaps(this.machine, phys, options)
    this.pm = this.create()
    this.pm2 = this.create()
  }

  create(): Pmap {
    const pmap = pmapCreate(this.room)
    kassert(pmap instanceof Pmap, 'a test has memory')
    return pmap
  }
  /** A page with one reference, its owner's, and with `text` in its first bytes. */
  page(text = ''): Pfn {
    const pfn = allocPagesTry(this.room.phys, GFP_NOWAIT, 0)
    if (typeof pfn !== 'number' || isErr(pfn)) throw new Error('a test has memory')
    this.room.memory.zeroFrame(pfn)
    const { frames } = this.room
    frames.owner[frames.frameOf(pfn)] = 1
    for (let i = 0; i < text.length; i++) this.room.memory.write8(pfn * PAGE_SIZE + i, text.charCodeAt(i))
    return pfn
  }
  /** Runs `action` on another CPU. */
  on<T>(cpuId: number, action: () => T): T {
    const before = this.machine.current.cpu
    this.machine.current.cpu = this.machine.cpus[cpuId]
    try {
      return action()
    } finally {
      this.machine.current.cpu = before
    }
  }
  activate(pmap: Pmap, cpuId = 0): void {
    this.activateNothing(cpuId)
    this.on(cpuId, () => pmapActivate(this.room, this.machine.cpus[cpuId], pmap))
  }
  /** CPU `cpuId` goes over to kernel threads. */
  activateNothing(cpuId = 0): void {
    const { loaded } = this.room.cpus[cpuId]
    if (loaded !== null) this.on(cpuId, () => pmapDeactivate(this.room, this.machine.cpus[cpuId], loaded))
  }
  /** A user load: the character, or 'fault'. */
  load(va: number, cpuId = 0): string {
    return this.#byteAt(this.machine.cpus[cpuId].mmu.translateRead(va))
  }
  /** A user store of one character: 'ok' or 'fault'. */
  store(va: number, text: string, cpuId = 0): string {
    return this.#write(this.machine.cpus[cpuId].mmu.translateWrite(va), text)
  }
  kernelLoad(va: number, cpuId = 0): string {
    return this.#byteAt(this.machine.cpus[cpuId].mmu.translateKernel(va, ACCESS_LOAD))
  }
  kernelStore(va: number, text: string, cpuId = 0): string {
    return this.#write(this.machine.cpus[cpuId].mmu.translateKernel(va, ACCESS_STORE), text)
  }
  /** First byte of a frame. */
  byteOf(pfn: number): string {
    return String.fromCharCode(this.room.memory.read8(pfn * PAGE_SIZE))
  }
  /** Mappings of a page as "pmap:va". */
  mappings(pfn: number): string[] {
    const { reverse, frames } = this.room
    const found: string[] = []
    for (let e = reverse.head(frames.frameOf(pfn)); e !== 0; e = reverse.next[e])
      found.push(`${reverse.pmapIdOf(e)}:0x${(reverse.vpnOf(e) * PAGE_SIZE).toString(16)}`)
    return found.sort()
  }
  refs(pfn: number): number {
    return this.room.frames.refcount[this.room.frames.frameOf(pfn)]
  }
  get ipis(): number {
    return this.room.counters.ipis
  }

  #byteAt(offset: number): string {
    return offset < 0 ? 'fault' : String.fromCharCode(this.room.memory.u8[offset])
  }
  #write(offset: number, text: string): string {
    if (offset < 0) return 'fault'
    this.room.memory.u8[offset] = text.charCodeAt(0)
    return 'ok'
  }
}
