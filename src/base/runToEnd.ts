import type { Clock } from './clock.ts'
import { kassert } from './assert.ts'
import type { Sleep } from './sleep.ts'

/**
 * Runs work that may sleep to its end, where nothing else runs: simulated time passes while it sleeps.
 *
 * It is a kernel bug if it sleeps on what no timer will wake.
 */
export function runToEnd<T>(clock: Clock, work: Sleep<T>): T {
  let step = work.next()
  while (step.done !== true) {
    const { queue, deadline } = step.value
    let isAwake = false
    const sleeper = { wake: () => void (isAwake = true) }
    queue?.join(sleeper)
    while (!isAwake && clock.now < deadline) {
      const next = Math.min(deadline, clock.nextAt)
      kassert(next !== Infinity, 'work that runs alone is woken by a timer', queue?.name)
      clock.advanceTo(next)
    }
    queue?.leave(sleeper)
    step = work.next(isAwake ? 'woken' : 'timeout')
  }
  return step.value
}
