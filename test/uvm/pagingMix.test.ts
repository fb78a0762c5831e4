// A random mix of everything that moves pages, against an array of letters for each address space: whatever is written
// out, read back, lent, wired, forked and freed meanwhile, a program reads what it wrote.

import { describe, expect, it } from 'vitest'
import { type Pfn, Rng } from '../../src/base/index.ts'
import { uvmMapPageable } from '../../src/kernel/fault/index.ts'
import { UVM_LOAN_TOPAGE, uvmLoan, uvmUnloan } from '../../src/kernel/loan/index.ts'
import { pageOf, UVM_FLAG_FIXED, UVM_INH_SHARE, type VmSpace } from '../../src/kernel/map/index.ts'
import { uvmpdScanQueue } from '../../src/kernel/reclaim/index.ts'
import { PagingWorld } from './pagingWorld.ts'
import { at, P } from './world.ts'

// 0      8       16
// private shared         of each address space
const PRIVATE = 8
const PAGES = 16

interface Loan {
  readonly pfn: number
  readonly letter: string
}

class Mix {
  readonly u = new PagingWorld(48).spareNone()
  readonly rng: Rng
  readonly models = new Map<VmSpace, string[]>()
  readonly shared: string[] = Array<string>(PAGES - PRIVATE).fill('\0')
  loans: Loan[] = []
  readonly object = this.u.aobj(PAGES - PRIVATE)

  constructor(seed: number) {
    this.rng = new Rng(seed)
    const { u, object } = this
    u.map(0, PRIVATE)
    object.pager.reference(object)
    u.map(PRIVATE, PAGES - PRIVATE, { object, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    this.models.set(u.vm0, Array<string>(PRIVATE).fill('\0'))
  }
  pick(n: number): number {
    return this.rng.below(n)
  }
  get space(): VmSpace {
    const all = [...this.models.keys()]
    return all[this.pick(all.length)]!
  }
  cell(vm: VmSpace, p: number): [string[], number] {
    return p < PRIVATE ? [this.models.get(vm)!, p] : [this.shared, p - PRIVATE]
  }
  step(): void {
    const { u } = this
    const vm = this.space
    const p = this.pick(PAGES)
    const [cells, i] = this.cell(vm, p)
    switch (this.pick(12)) {
      case 0:
      case 1:
      case 2: {
        const letter = String.fromCharCode(65 + this.pick(26))
        expect(u.W(p, letter, vm)).toBe(0)
        cells[i] = letter
        return
      }
      case 3:
      case 4:
        expect(u.R(p, vm)).toBe(cells[i])
        return
      case 5:
      case 6: {
        const pfn = pageOf(vm.map.lookup(at(p))!, at(p))
        if (pfn >= 0) u.policy.deactivate(u.phys.frames.indexOf(pfn))
        return
      }
      case 7:
        // Writes are begun, and end while other things happen.
        u.wait(uvmpdScanQueue(u.daemon))
        return
      case 8:
        if (u.machine.clock.nextAt < Infinity) u.machine.clock.advanceTo(u.machine.clock.nextAt)
        return
      case 9:
        if (this.models.size < 4) this.models.set(u.fork(vm), [...this.models.get(vm)!])
        else if (vm !== u.vm0) {
          this.models.delete(vm)
          u.free(vm)
        }
        return
      case 10: {
        expect(u.wait(uvmMapPageable(vm.map, at(p), at(p + 1), false, 0))).toBe(0)
        expect(u.R(p, vm)).toBe(cells[i])
        expect(u.unwire(p, p + 1, vm)).toBe(0)
        return
      }
      default:
        this.loan(vm, p, cells[i]!)
    }
  }
  loan(vm: VmSpace, p: number, letter: string): void {
    const { u } = this
    const back = this.loans.pop()
    if (back !== undefined) {
      const { memory } = u.machine
      expect(String.fromCharCode(memory.u8[memory.frameOffset(back.pfn as Pfn)]!)).toBe(back.letter)
      uvmUnloan(u.vm, [back.pfn], 1, UVM_LOAN_TOPAGE)
      if (this.pick(2) === 0) return
    }
    const lent: number[] = []
    expect(u.wait(uvmLoan(vm.map, at(p), P, lent, UVM_LOAN_TOPAGE))).toBe(0)
    this.loans.push({ pfn: lent[0]!, letter })
  }
  end(): void {
    const { u } = this
    for (const { pfn } of this.loans) uvmUnloan(u.vm, [pfn], 1, UVM_LOAN_TOPAGE)
    for (const [vm, cells] of this.models) {
      for (let p = 0; p < PAGES; p++) expect(u.R(p, vm)).toBe(p < PRIVATE ? cells[p] : this.shared[p - PRIVATE])
    }
    for (const vm of Array.from(this.models.keys())) u.free(vm)
    this.object.pager.detach(this.object)
    u.wait(u.daemon.pageoutsDone())
    expect([u.swap.swpginuse, u.swap.swpgonly, u.vm.anons.count, u.policy.active + u.policy.inactive]).toEqual([
      0, 0, 0, 0,
    ])
    u.check()
  }
}

describe('a random mix of paging, swap, wiring, loans and forks', () => {
  for (const seed of [1, 2, 3]) {
    it(`keeps what was stored (seed ${seed})`, () => {
      const mix = new Mix(seed)
      for (let i = 0; i < 400; i++) {
        mix.step()
        if (i % 20 === 0) mix.u.check()
      }
      mix.end()
    }, 30000)
  }
})
