import { describe, expect, it } from 'vitest'
import { Clock, MapLock, Rng, sleepOn, WaitQueue } from './index.ts'

describe('Clock', () => {
  it('fires timers in order of time, then in the order they were set', () => {
    const clock = new Clock()
    const seen: string[] = []
    clock.at(20, () => seen.push('c'))
    clock.at(10, () => seen.push('a'))
    clock.at(10, () => seen.push('b'))
    const cancel = clock.at(15, () => seen.push('never'))
    cancel()
    clock.advanceTo(30)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(clock.now).toBe(30)
  })
})

describe('WaitQueue', () => {
  it('is what a sleeping generator yields', () => {
    const queue = new WaitQueue('q')
    const gen = sleepOn(queue)
    const first = gen.next('woken')
    expect(first.done).toBe(false)
    expect(first.done === false && first.value.queue).toBe(queue)
    expect(gen.next('timeout')).toEqual({ done: true, value: 'timeout' })
  })
})

describe('MapLock', () => {
  it('lets readers in while busy, and the busy owner back in ahead of everyone', () => {
    const lock = new MapLock('map')
    const [a, b] = [{}, {}]
    expect(lock.tryWrite(a)).toBe(true)
    expect(lock.tryRead()).toBe(false)
    lock.setBusy(a)
    lock.unlockWrite()
    expect(lock.tryRead()).toBe(true)
    expect(lock.tryWrite(b)).toBe(false)
    lock.unlockRead()
    expect(lock.tryWrite(b)).toBe(false)
    const before = lock.timestamp
    expect(lock.tryWrite(a)).toBe(true)
    expect(lock.timestamp).toBe(before + 1)
  })
})

describe('Rng', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number) =>
      Array.from(
        { length: 8 },
        (
          (rng) => () =>
            rng.next32()
        )(new Rng(seed)),
      )
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })
})
