// A UVM world with swap and a page daemon, which runs only when it is told to.

import { expect } from 'vitest'
import { type Pfn, type Sleep } from '../../src/base/index.ts'
import { Disk } from '../../src/machine/index.ts'
import type { VmSpace } from '../../src/kernel/map/index.ts'
import { ClockPolicy, UvmPageDaemon, uvmpdScanQueue } from '../../src/kernel/reclaim/index.ts'
import { Swap, swapOn } from '../../src/kernel/swap/index.ts'
import { at, type Delta, P, UvmWorld } from './world.ts'

export class PagingWorld extends UvmWorld {
  readonly swap: Swap
  readonly disk: Disk
  readonly daemon: UvmPageDaemon
  readonly policy: ClockPolicy

  constructor(swapPages = 64) {
    super()
    this.swap = new Swap(this.phys)
    const config = { name: 'swap', sizeBytes: swapPages * P, latencyNs: 1e5, bytesPerSecond: 1e9 }
    this.disk = new Disk(this.machine.clock, config)
    swapOn(this.swap, this.disk)
    this.vm.anons.swap = this.swap
    this.daemon = new UvmPageDaemon(this.vm)
    this.policy = this.daemon.policy as ClockPolicy
    // However much is free, a scan wants more.
    this.daemon.freetarg = this.phys.totalramPages
  }
  /** No kind of page is spared for being rare. */
  spareNone(): this {
    Object.assign(this.policy.limits, { anonmin: 0, filemin: 0, execmin: 0 })
    return this
  }
  frame(p: number, vm: VmSpace = this.vm0): number {
    expect(this.lookup(vm, at(p))).toBe(true)
    return this.phys.frames.indexOf(this.pmaps.pfn as Pfn)
  }
  deactivate(p: number, vm = this.vm0): void {
    this.policy.deactivate(this.frame(p, vm))
  }
  /** One scan, and the end of what it began to write. */
  scan(): void {
    this.wait(this.scanning())
    this.check()
  }
  *scanning(): Sleep<void> {
    yield* uvmpdScanQueue(this.daemon)
    yield* this.daemon.pageoutsDone()
  }
  override counters(): Delta {
    const { events, policy, paging } = this.daemon
    const { swpginuse, swpgonly, nswget } = this.swap
    const { pageins } = this.vm.stats
    return { ...super.counters(), ...events, ...policy.events, paging, swpginuse, swpgonly, nswget, pageins }
  }
  override check(): void {
    super.check()
    this.swap.verify()
    this.policy.verify()
  }
  /** Pages of [s, e) that are inactive. */
  inactive(s: number, e: number, pages: (p: number) => Pfn | -1): number[] {
    const found: number[] = []
    for (let p = s; p < e; p++) if (this.policy.isInactive(this.phys.frames.indexOf(pages(p)))) found.push(p)
    return found
  }
}
