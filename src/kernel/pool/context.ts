import { kassert } from '../../base/index.ts'
import type { Pools } from './pools.ts'

/** Panics unless the caller may sleep, whether or not it is going to. */
export function assertMaySleep(pools: Pools, who: string): void {
  if (pools.running === null) return
  const cpu = pools.running.cpu
  kassert(
    cpu.interruptsEnabled && cpu.preemptionDepth === 0 && cpu.interruptLevel === 0,
    'a function that may sleep is called where sleeping is allowed',
    who,
  )
}
