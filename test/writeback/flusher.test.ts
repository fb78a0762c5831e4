import { describe, expect, it } from 'vitest'
import { PAGE_SIZE, pfn, type Pfn, type Sleep } from '../../src/base/index.ts'
import { setPageDirty } from '../../src/kernel/pagecache/index.ts'
import { TestWorld, type Task } from '../../src/kernel/pagecache/testWorld.ts'
import { globalStat, NR_FILE_DIRTY, NR_WRITEBACK, PG_writeback } from '../../src/kernel/phys/index.ts'
import {
  balanceDirtyPagesRatelimited,
  flusher,
  NS_PER_TICK,
  requestFlush,
  updateRatelimit,
  waitForFlush,
  Writeback,
} from '../../src/kernel/writeback/index.ts'

const SECOND = 1000 * NS_PER_TICK
function worldWith(dirtyPages: number, backgroundPages: number) {
  const world = new TestWorld()
  const wb = new Writeback(world.cache)
  wb.tunables.dirtyBytes = dirtyPages * PAGE_SIZE
  wb.tunables.dirtyBackgroundBytes = backgroundPages * PAGE_SIZE
  updateRatelimit(wb)
  return { world, wb, rates: wb.ratesOf(world.device) }
}
/** Runs the tasks that are ready until none is. */
function settle(...tasks: Task<unknown>[]): void {
  for (let ready = tasks; ready.length > 0; ready = tasks.filter((task) => task.state === 'ready'))
    for (const task of ready) if (task.state === 'ready') task.run()
}

describe('flusher', () => {
  it('writes what has been dirty for long, and nothing else', () => {
    const { world, wb, rates } = worldWith(2000, 1000)
    // Share of the background threshold: the device has written before.
    for (let i = 0; i < 1e5; i++) world.cache.completions.count(world.device, 0)
    const daemon = world.start(flusher(wb, rates))
    const [old, young] = [world.file(PAGE_SIZE), world.file(PAGE_SIZE)]
    world.dirty(old, 0)
    const advance = (to: number) => {
      while (world.machine.clock.nextAt <= to) {
        world.machine.clock.advanceTo(world.machine.clock.nextAt)
        settle(daemon)
      }
      world.machine.clock.advanceTo(to)
    }
    advance(20 * SECOND)
    expect(old.writes).toEqual([])
    world.dirty(young, 0)
    advance(36 * SECOND)
    expect([old.writes, young.writes]).toEqual([[0], []])
    expect([...world.device.dirtyObjects.keys()]).toEqual([young.object])
    advance(56 * SECOND)
    expect(young.writes).toEqual([0])
    world.verify()
  })
  it('writes in the background down to the threshold', () => {
    const { world, wb, rates } = worldWith(2000, 40)
    const daemon = world.start(flusher(wb, rates))
    const files = [0, 1, 2].map(() => world.file(50 * PAGE_SIZE))
    for (const file of files) for (let index = 0; index < 50; index++) world.dirty(file, index)
    wb.startBackground(rates)
    settle(daemon)
    expect(globalStat(world.phys, NR_FILE_DIRTY)).toBeLessThanOrEqual(40)
    expect(rates.isFlushing).toBe(false)
    world.verify()
  })
  it('writes for integrity by request, and says when it is done', () => {
    const { world, wb, rates } = worldWith(2000, 1000)
    const daemon = world.start(flusher(wb, rates))
    const file = world.file(3 * PAGE_SIZE)
    file.isWriteDeferred = true
    const pages = [0, 1, 2].map((index) => world.dirty(file, index))
    const work = requestFlush(rates, Infinity, true)
    const waiter = world.start(waitForFlush(work))
    settle(daemon)
    expect([waiter.state, file.writes]).toEqual(['asleep', [0, 1, 2]])
    for (const page of pages) {
      file.complete(page)
      settle(daemon)
    }
    expect([work.isDone, waiter.run().state]).toEqual([true, 'done'])
    world.verify()
  })
})

describe('throttling and flushing together', () => {
  it('keep what is dirty near the threshold when threads write faster than the device', () => {
    const { world, wb, rates } = worldWith(400, 200)
    const { cache, machine, phys } = world
    const file = world.file(2000 * PAGE_SIZE)
    for (let index = 0; index < 2000; index++) world.idle(file, index)
    // A device that writes a page each millisecond.
    const queue: Pfn[] = []
    const write = file.ops.writePage!
    file.isWriteDeferred = true
    file.ops.writePage = (object, page, wbc) => {
      queue.push(page)
      return write(object, page, wbc)
    }
    function* writer(from: number): Sleep<void> {
      for (let index = from; index < from + 1000; index++) {
        setPageDirty(cache, pfn(file.object.pageAt(index)))
        yield* balanceDirtyPagesRatelimited(wb, file.object)
      }
    }
    const daemon = world.start(flusher(wb, rates))
    const writers = [world.start(writer(0)), world.start(writer(1000))]
    let most = 0
    for (let tick = 1; tick < 4000 && writers.some((task) => task.state !== 'done'); tick++) {
      machine.clock.advanceTo(tick * NS_PER_TICK)
      const page = queue.shift()
      if (page !== undefined && world.has(page, PG_writeback)) file.complete(page)
      settle(...[daemon, ...writers].filter((task) => task.state === 'ready'))
      most = Math.max(most, globalStat(phys, NR_FILE_DIRTY) + globalStat(phys, NR_WRITEBACK))
    }
    expect(writers.map((task) => task.state)).toEqual(['done', 'done'])
    // Far more than fits was dirtied; what exceeds the threshold is what one check interval lets through.
    expect(most).toBeGreaterThan(300)
    expect(most).toBeLessThan(400 + 2 * 64)
    // It took about as long as the device needed, not longer.
    expect(machine.clock.now / NS_PER_TICK).toBeGreaterThan(1400)
    world.verify()
  })
})
