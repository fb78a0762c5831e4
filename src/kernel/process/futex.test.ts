import { describe, expect, it } from 'vitest'
import { FUTEX_BITSET_ANY, FutexTable, FutexWaiter } from './futex.ts'

function waiting(table: FutexTable, key: string, ...bitsets: number[]): FutexWaiter[] {
  return bitsets.map((bitset) => {
    const waiter = new FutexWaiter(key, bitset)
    table.add(waiter)
    return waiter
  })
}
const woken = (waiters: FutexWaiter[]): boolean[] => waiters.map(({ isWoken }) => isWoken)

describe('FutexTable', () => {
  it('wakes in the order of arrival, no more than asked', () => {
    const table = new FutexTable()
    const waiters = waiting(table, 'a', FUTEX_BITSET_ANY, FUTEX_BITSET_ANY, FUTEX_BITSET_ANY)
    expect(table.wake('a', 2)).toBe(2)
    expect(woken(waiters)).toEqual([true, true, false])
    expect(table.wake('b', 5)).toBe(0)
    expect(table.wake('a', 5)).toBe(1)
    expect(table.count).toBe(0)
  })
  it('wakes those whose bits meet', () => {
    const table = new FutexTable()
    const waiters = waiting(table, 'a', 1, 2, 3, 4)
    expect(table.wake('a', 9, 2)).toBe(2)
    expect(woken(waiters)).toEqual([false, true, true, false])
  })
  it('moves waiters to another word without waking them', () => {
    const table = new FutexTable()
    const waiters = waiting(table, 'a', 1, 1, 1)
    expect(table.requeue('a', 'b', 2)).toBe(2)
    expect(table.wake('a', 9)).toBe(1)
    expect(table.wake('b', 1)).toBe(1)
    expect(woken(waiters)).toEqual([true, false, true])
    table.remove(waiters[1]!)
    expect(table.count).toBe(0)
  })
})
