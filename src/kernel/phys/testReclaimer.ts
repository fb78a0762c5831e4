// For the tests of this room: a Reclaimer that does what it is told, and notes what it was asked.

import { EAGAIN, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { PG_anon, PG_dirty, PG_lru } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import type { MigrateMode, Reclaimer, ReclaimRequest } from './reclaimer.ts'
import type { Zone } from './zone.ts'

export class TestReclaimer implements Reclaimer {
  readonly phys: Phys
  readonly calls: string[] = []
  isAsleep = true
  /** What directReclaim does; answers pages freed. */
  reclaim: (request: ReclaimRequest) => number = () => 0
  /** Pages that zoneReclaim says it has freed. */
  zoneFrees = 0
  kill: () => boolean = () => false
  /** Pages whose migration fails with this error. */
  readonly stuck = new Map<number, Err>()
  /** Simulated contents of pages: moved along with them. */
  readonly contents = new Map<number, string>()

  constructor(phys: Phys) {
    this.phys = phys
    phys.reclaimer = this
  }
  count(call: string): number {
    return this.calls.filter((name) => name === call).length
  }

  wake(): boolean {
    this.calls.push('wake')
    return this.isAsleep
  }
  *directReclaim(request: ReclaimRequest): Sleep<number> {
    this.calls.push('directReclaim')
    return this.reclaim(request)
  }
  *zoneReclaim(_zone: Zone, _gfp: number, _order: number): Sleep<number> {
    this.calls.push('zoneReclaim')
    return this.zoneFrees
  }
  *outOfMemory(): Sleep<boolean> {
    this.calls.push('outOfMemory')
    return this.kill()
  }
  drainLru(): void {
    this.calls.push('drainLru')
  }
  isolateLru(pfn: Pfn): boolean {
    const { frames } = this.phys
    const f = frames.frameOf(pfn)
    if ((frames.flags[f]! & PG_lru) === 0) return false
    frames.flags[f]! &= ~PG_lru
    frames.refcount[f]!++
    return true
  }
  putBackLru(pfn: Pfn): void {
    const { frames } = this.phys
    const f = frames.frameOf(pfn)
    frames.flags[f]! |= PG_lru
    frames.refcount[f]!--
  }
  *reclaimClean(pfn: Pfn): Sleep<boolean> {
    this.calls.push('reclaimClean')
    this.#disown(pfn)
    this.contents.delete(pfn)
    return true
  }
  *migrate(from: Pfn, to: Pfn, _mode: MigrateMode, force: boolean): Sleep<0 | Err> {
    this.calls.push(`migrate ${from} ${to}`)
    const error = this.stuck.get(from)
    if (error !== undefined && !(error === EAGAIN && force)) return error
    const { frames } = this.phys
    const [a, b] = [frames.frameOf(from), frames.frameOf(to)]
    frames.flags[b] = frames.flags[a]! | PG_lru
    frames.owner[b] = frames.owner[a]!
    frames.mapcount[b] = frames.mapcount[a]!
    frames.refcount[b] = 1 + frames.mapcount[a]! + 1
    this.contents.set(to, this.contents.get(from) ?? '')
    this.#disown(from)
    this.contents.delete(from)
    return 0
  }
  zoneDirtyOk(): boolean {
    return true
  }

  /** Makes an allocated page an LRU page: anonymous and dirty, or clean and of a file. Mapped `maps` times. */
  adopt(pfn: Pfn, kind: 'anon' | 'file', maps = 1): void {
    const { frames } = this.phys
    const f = frames.frameOf(pfn)
    frames.flags[f]! |= PG_lru | (kind === 'anon' ? PG_anon | PG_dirty : 0)
    frames.owner[f] = 7
    frames.mapcount[f] = maps - 1
    frames.refcount[f] = 1 + maps
    this.contents.set(pfn, `page ${pfn}`)
  }
  /** Only the isolation's reference is left. */
  #disown(pfn: Pfn): void {
    const { frames } = this.phys
    const f = frames.frameOf(pfn)
    frames.flags[f] = 0
    frames.owner[f] = 0
    frames.mapcount[f] = -1
    frames.refcount[f] = 1
  }
}
