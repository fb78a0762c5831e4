import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENOMEM, KernelPanic, sleepOn, WaitQueue, WouldSleep, type Sleep, type Vaddr } from '../../base/index.ts'
import { GFP_ATOMIC, GFP_KERNEL, __GFP_IO, __GFP_ZERO } from '../phys/index.ts'
import { handMade, runAwake, type Thread } from './handMade.ts'
import {
  kmemCacheCreate,
  mempoolAlloc,
  mempoolAllocTry,
  mempoolCreate,
  mempoolCreateKmallocPool,
  mempoolCreateNode,
  mempoolCreatePagePool,
  mempoolCreateSlabPool,
  mempoolDestroy,
  mempoolFree,
  mempoolResize,
  MEMPOOL_WAIT_NS,
  verify,
  type ElementSource,
  type Mempool,
} from './index.ts'

/** Elements e1, e2, …; remembers the flags of every request and every element freed. */
class Recorder implements ElementSource<string, string> {
  readonly calls: number[] = []
  readonly freed: string[] = []
  made = 0
  isFailing = false
  /** The n-th request from now fails; 0: none. */
  failAt = 0
  readonly seenData = new Set<string>()
  pool: Mempool<string, string> | null = null
  allocTry(gfp: number, data: string): string | null {
    expect(this.pool?.lock.isHeld ?? false).toBe(false)
    this.calls.push(gfp)
    this.seenData.add(data)
    if (this.isFailing || (this.failAt > 0 && --this.failAt === 0)) return null
    return `e${++this.made}`
  }
  *alloc(gfp: number, data: string): Sleep<string | null> {
    return this.allocTry(gfp, data)
  }
  free(element: string): void {
    expect(this.pool?.lock.isHeld ?? false).toBe(false)
    this.freed.push(element)
  }
  /** The flags asked with since the last look. */
  takeCalls(): number[] {
    return this.calls.splice(0)
  }
}

/** A pool of e1 … en in reserve. */
function poolOf(minNr: number) {
  const room = handMade()
  const source = new Recorder()
  const pool = runAwake(mempoolCreate(room.pools, minNr, source, 'd'))!
  source.pool = pool
  source.takeCalls()
  return { ...room, source, pool }
}

describe('mempoolCreate', () => {
  it('[physical K1] asks exactly minNr times with GFP_KERNEL, and undoes in reverse order', () => {
    const { pools } = handMade()
    const source = new Recorder()
    const pool = runAwake(mempoolCreate(pools, 4, source, 'd'))!
    expect(source.calls).toEqual([GFP_KERNEL, GFP_KERNEL, GFP_KERNEL, GFP_KERNEL])
    expect([...source.seenData]).toEqual(['d'])
    expect(pool.currNr).toBe(4)
    const third = new Recorder()
    third.failAt = 3
    expect(runAwake(mempoolCreate(pools, 4, third, 'd'))).toBeNull()
    expect(third.freed).toEqual(['e2', 'e1'])
    expect(pools.mempools.size).toBe(1)
    verify(pools)
  })
  it('is null when the descriptor or its array cannot be had', () => {
    const { pools, bookkeeping } = handMade()
    for (const refused of ['mempool', 'mempool elements'] as const) {
      bookkeeping.refused = refused
      const source = new Recorder()
      expect(runAwake(mempoolCreate(pools, 2, source, ''))).toBeNull()
      expect(source.calls).toEqual([])
    }
  })
  it('may sleep only where sleeping is allowed, unless asked not to', () => {
    const { pools, running } = handMade()
    running.cpu.preemptionDepth = 1
    expect(() => runAwake(mempoolCreate(pools, 1, new Recorder(), ''))).toThrow('where sleeping is allowed')
    expect(runAwake(mempoolCreateNode(pools, 1, new Recorder(), '', GFP_ATOMIC))).not.toBeNull()
  })
})

describe('mempoolAlloc', () => {
  it('[physical K2] asks the source once and gently, and leaves the reserve alone', () => {
    const { pool, source } = poolOf(4)
    expect(runAwake(mempoolAlloc(pool, GFP_KERNEL))).toBe('e5')
    expect(source.takeCalls()).toEqual([0x11280])
    expect(pool.currNr).toBe(4)
  })
  it('[physical K3] empties the reserve newest first, then sleeps until an element is freed', () => {
    const { pool, source, spawn, settle, pools } = poolOf(4)
    source.isFailing = true
    for (const expected of ['e4', 'e3', 'e2', 'e1']) {
      expect(runAwake(mempoolAlloc(pool, GFP_KERNEL))).toBe(expected)
      expect(source.takeCalls()).toEqual([0x11280])
    }
    const fifth = spawn(mempoolAlloc(pool, GFP_KERNEL))
    expect(fifth.isDone).toBe(false)
    expect(source.takeCalls()).toEqual([0x11280, 0x112d0])
    expect(pool.waiters.sleepers.length).toBe(1)
    mempoolFree('x', pool)
    expect(pool.waiters.isEmpty).toBe(true)
    settle()
    expect(fifth.result).toBe('x')
    expect(source.takeCalls()).toEqual([0x112d0])
    verify(pools)
  })
  it('[physical K4] asks once with GFP_ATOMIC and twice with I/O only, and answers null', () => {
    const { pool, source } = poolOf(1)
    source.isFailing = true
    expect(runAwake(mempoolAlloc(pool, GFP_ATOMIC))).toBe('e1')
    source.takeCalls()
    expect(runAwake(mempoolAlloc(pool, GFP_ATOMIC))).toBeNull()
    expect(source.takeCalls()).toEqual([0x11220])
    expect(runAwake(mempoolAlloc(pool, __GFP_IO))).toBeNull()
    expect(source.takeCalls()).toEqual([0x11200, 0x11240])
  })
  it('[physical K6] wakes every sleeper for one element; who gets none sleeps 5 s more', () => {
    const { pool, source, spawn, settle, advance, pools } = poolOf(1)
    source.isFailing = true
    runAwake(mempoolAlloc(pool, GFP_ATOMIC))
    const sleepers: Thread<string | null>[] = [
      spawn(mempoolAlloc(pool, GFP_KERNEL)),
      spawn(mempoolAlloc(pool, GFP_KERNEL)),
    ]
    source.takeCalls()
    mempoolFree('x', pool)
    settle()
    expect(sleepers.map((thread) => thread.result)).toEqual(['x', null])
    expect(sleepers[1]!.isDone).toBe(false)
    expect(source.takeCalls()).toEqual([0x112d0, 0x112d0])
    advance(MEMPOOL_WAIT_NS - 1)
    expect(source.takeCalls()).toEqual([])
    advance(1)
    expect(source.takeCalls()).toEqual([0x112d0])
    expect(sleepers[1]!.isDone).toBe(false)
    source.isFailing = false
    advance(MEMPOOL_WAIT_NS)
    expect(sleepers[1]!.result).toBe('e2')
    expect(pool.waiters.isEmpty).toBe(true)
    verify(pools)
  })
  it('[physical K12] warns once about __GFP_ZERO and returns elements as they are', () => {
    const { pools, pages, memory } = handMade()
    const pool = runAwake(mempoolCreateKmallocPool(pools, 2, 64))!
    for (const va of pool.elements) memory.write32(va! - pools.directMap, 0x1234)
    pages.isFailing = true
    // Exhaust the slab first, so that the reserve is all there is.
    const fromSource = 4096 / 64 - 2
    for (let i = 0; i < fromSource; i++) runAwake(mempoolAlloc(pool, GFP_ATOMIC))
    expect(pool.currNr).toBe(2)
    for (let i = 0; i < 2; i++) {
      const va = runAwake(mempoolAlloc(pool, GFP_ATOMIC | __GFP_ZERO))!
      expect(memory.read32(va - pools.directMap)).toBe(0x1234)
    }
    expect(pools.log).toEqual(['mempool_alloc: __GFP_ZERO is not supported'])
  })
  it('panics where sleeping is not allowed, even when it would not sleep', () => {
    const { pool, running } = poolOf(1)
    running.cpu.interruptsEnabled = false
    expect(() => runAwake(mempoolAlloc(pool, GFP_KERNEL))).toThrow(KernelPanic)
    expect(runAwake(mempoolAlloc(pool, GFP_ATOMIC))).toBe('e2')
  })
})

describe('mempoolAllocTry', () => {
  it('is mempoolAlloc as far as that does not sleep', () => {
    const { pool, source } = poolOf(1)
    expect(mempoolAllocTry(pool, GFP_KERNEL)).toBe('e2')
    source.isFailing = true
    expect(mempoolAllocTry(pool, GFP_KERNEL)).toBe('e1')
    source.takeCalls()
    expect(mempoolAllocTry(pool, GFP_KERNEL)).toBe(WouldSleep)
    expect(source.takeCalls()).toEqual([0x11280, 0x112d0])
    expect(mempoolAllocTry(pool, GFP_ATOMIC)).toBeNull()
    expect(source.takeCalls()).toEqual([0x11220])
  })
})

describe('mempoolFree', () => {
  it('[physical K5] refills the reserve and wakes; frees only what is too much', () => {
    const { pool, source, pools } = poolOf(4)
    mempoolFree('x', pool)
    expect(source.freed).toEqual(['x'])
    expect(pool.elements).toEqual(['e1', 'e2', 'e3', 'e4'])
    source.isFailing = true
    runAwake(mempoolAlloc(pool, GFP_KERNEL))
    let woken = 0
    pool.waiters.join({ wake: () => woken++ })
    mempoolFree('y', pool)
    expect(pool.elements).toEqual(['e1', 'e2', 'e3', 'y'])
    expect(source.freed).toEqual(['x'])
    expect(woken).toBe(1)
    mempoolFree(null, pool)
    expect(pool.currNr).toBe(4)
    verify(pools)
  })
})

describe('mempoolResize', () => {
  it('[physical K7] shrinks newest first, and frees nothing that is not too much', () => {
    const { pool, source, pools } = poolOf(4)
    expect(runAwake(mempoolResize(pool, 2, GFP_KERNEL))).toBe(0)
    expect(source.freed).toEqual(['e4', 'e3'])
    expect(pool.minNr).toBe(2)
    expect(runAwake(mempoolResize(pool, 2, GFP_KERNEL))).toBe(0)
    expect(source.freed).toEqual(['e4', 'e3'])
    const other = poolOf(4)
    other.source.isFailing = true
    for (let i = 0; i < 3; i++) runAwake(mempoolAlloc(other.pool, GFP_ATOMIC))
    expect(runAwake(mempoolResize(other.pool, 2, GFP_KERNEL))).toBe(0)
    expect(other.source.freed).toEqual([])
    expect(other.pool).toMatchObject({ minNr: 2, currNr: 1 })
    verify(pools)
    verify(other.pools)
  })
  it('[physical K8] grows as far as the source goes; later frees do the rest', () => {
    const { pool, source, pools } = poolOf(4)
    expect(runAwake(mempoolResize(pool, 6, GFP_KERNEL))).toBe(0)
    expect(source.takeCalls()).toEqual([GFP_KERNEL, GFP_KERNEL])
    expect(pool.currNr).toBe(6)
    verify(pools)

    const poor = poolOf(4)
    poor.source.isFailing = true
    expect(runAwake(mempoolResize(poor.pool, 6, GFP_KERNEL))).toBe(0)
    expect(poor.pool).toMatchObject({ minNr: 6, currNr: 4 })
    mempoolFree('x', poor.pool)
    mempoolFree('y', poor.pool)
    mempoolFree('z', poor.pool)
    expect(poor.pool.elements).toEqual(['e1', 'e2', 'e3', 'e4', 'x', 'y'])
    expect(poor.source.freed).toEqual(['z'])

    const none = poolOf(4)
    none.bookkeeping.refused = 'mempool elements'
    expect(runAwake(mempoolResize(none.pool, 6, GFP_KERNEL))).toBe(ENOMEM)
    expect(none.pool.minNr).toBe(4)
    expect(none.source.takeCalls()).toEqual([])
  })
  it('[physical K9] refuses an empty reserve, which only creation may ask for', () => {
    const { pool } = poolOf(1)
    expect(() => runAwake(mempoolResize(pool, 0, GFP_KERNEL))).toThrow('at least one element')
    const empty = poolOf(0)
    empty.source.isFailing = true
    expect(runAwake(mempoolAlloc(empty.pool, GFP_ATOMIC))).toBeNull()
    mempoolFree('x', empty.pool)
    expect(empty.source.freed).toEqual(['x'])
    expect(() => runAwake(mempoolCreate(empty.pools, -1, empty.source, ''))).toThrow(KernelPanic)
  })
  it('gives back what it got too late: others have filled the reserve while it slept', () => {
    const { pools, spawn, settle } = handMade()
    const gate = new WaitQueue('gate')
    const recorder = new Recorder()
    const slow: ElementSource<string, string> = {
      allocTry: (gfp, data) => recorder.allocTry(gfp, data),
      *alloc(gfp, data) {
        if (recorder.made >= 1) yield* sleepOn(gate)
        return recorder.allocTry(gfp, data)
      },
      free: (element) => recorder.free(element),
    }
    const pool = runAwake(mempoolCreate(pools, 1, slow, ''))!
    const growing = spawn(mempoolResize(pool, 2, GFP_KERNEL))
    expect(growing.isDone).toBe(false)
    mempoolFree('x', pool)
    gate.wakeAll()
    settle()
    expect(growing.result).toBe(0)
    expect(pool.elements).toEqual(['e1', 'x'])
    expect(recorder.freed).toEqual(['e2'])
    verify(pools)
  })
})

describe('mempoolDestroy', () => {
  it('[physical K10] frees the reserve newest first and leaves what is out alone', () => {
    const { pool, source, pools } = poolOf(4)
    source.isFailing = true
    runAwake(mempoolAlloc(pool, GFP_KERNEL))
    mempoolDestroy(pool)
    expect(source.freed).toEqual(['e3', 'e2', 'e1'])
    expect(pools.mempools.size).toBe(0)
    expect(() => mempoolFree('e4', pool)).toThrow('a destroyed mempool is not used')
    mempoolDestroy(null)
  })
})

describe('stock mempools', () => {
  it('keep blocks of pages and give them all back', () => {
    const { pools, pages } = handMade()
    const pool = runAwake(mempoolCreatePagePool(pools, 2, 1))!
    expect(pages.nrFree).toBe(4092)
    const block = runAwake(mempoolAlloc(pool, GFP_KERNEL))!
    expect(pages.blocks.get(block)).toBe(1)
    mempoolFree(block, pool)
    mempoolDestroy(pool)
    expect(pages.nrFree).toBe(4096)
  })
  it('keep objects of a slab cache without constructor, and kmalloc memory', () => {
    const { pools, pages } = handMade()
    const cache = kmemCacheCreate(pools, 'bio', 192)!
    const bios = runAwake(mempoolCreateSlabPool(pools, 3, cache))!
    expect(cache.nrObjects).toBe(3)
    mempoolDestroy(bios)
    expect(cache.nrObjects).toBe(0)
    const built = kmemCacheCreate(pools, 'built', 192, 0, 0, () => {})!
    expect(() => runAwake(mempoolCreateSlabPool(pools, 3, built))).toThrow('has no constructor')
    const bytes = runAwake(mempoolCreateKmallocPool(pools, 2, 100_000))!
    expect([...pages.blocks.values()]).toContain(5)
    mempoolDestroy(bytes)
    expect([...pages.blocks.values()]).not.toContain(5)
    verify(pools)
  })
  it('notice writes to the reserve when debugging', () => {
    const { pools, memory, pages } = handMade({ debug: true })
    const pool = runAwake(mempoolCreateKmallocPool(pools, 1, 4096))!
    const kept = pool.elements[0] as Vaddr
    memory.write8(kept - pools.directMap + 4095, 1)
    pages.isFailing = true
    while (pool.currNr > 0) runAwake(mempoolAlloc(pool, GFP_ATOMIC))
    expect(pools.log).toEqual(['mempool: an element of the reserve was written to'])
  })
})

describe('a mempool under any sequence of calls', () => {
  const anyStep = fc.oneof(
    fc.record({ op: fc.constant('atomic' as const) }),
    fc.record({ op: fc.constant('wait' as const) }),
    fc.record({ op: fc.constant('free' as const), which: fc.nat(30) }),
    fc.record({ op: fc.constant('resize' as const), to: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ op: fc.constant('supply' as const), isFailing: fc.boolean() }),
    fc.record({ op: fc.constant('time' as const), s: fc.integer({ min: 1, max: 6 }) }),
  )
  it('loses no element, gives none out twice, and lets nobody sleep beside a reserve', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.array(anyStep, { maxLength: 60 }), (minNr, steps) => {
        const { pool, source, pools, spawn, settle, advance } = poolOf(minNr)
        const out: string[] = []
        let waiting: Thread<string | null>[] = []
        const collect = (): void => {
          for (const thread of waiting) if (thread.isDone) out.push(thread.result!)
          waiting = waiting.filter((thread) => !thread.isDone)
        }
        for (const step of steps) {
          const hadReserve = pool.currNr > 0
          if (step.op === 'atomic') {
            const element = runAwake(mempoolAlloc(pool, GFP_ATOMIC))
            expect(element !== null).toBe(hadReserve || !source.isFailing)
            if (element !== null) out.push(element)
          } else if (step.op === 'wait') {
            const thread = spawn(mempoolAlloc(pool, GFP_KERNEL))
            expect(thread.isDone).toBe(hadReserve || !source.isFailing)
            waiting.push(thread)
          } else if (step.op === 'free') {
            const [element] = out.splice(step.which % Math.max(1, out.length), 1)
            if (element !== undefined) mempoolFree(element, pool)
            settle()
          } else if (step.op === 'resize') runAwake(mempoolResize(pool, step.to, GFP_KERNEL))
          else if (step.op === 'supply') source.isFailing = step.isFailing
          else advance(step.s * 1e9)
          collect()
          // Growing wakes nobody, so a sleeper may wait out its 5 seconds beside what growth has added.
          if (step.op !== 'resize' && step.op !== 'supply' && waiting.length > 0 && pool.currNr > 0) {
            advance(MEMPOOL_WAIT_NS)
            collect()
            expect(waiting.length === 0 || pool.currNr === 0).toBe(true)
          }
          const kept = pool.elements.slice(0, pool.currNr) as string[]
          const all = [...out, ...kept, ...source.freed]
          expect(new Set(all).size).toBe(all.length)
          expect(all.length).toBe(source.made)
          verify(pools)
        }
      }),
      { numRuns: 200 },
    )
  })
})
