// Runs a system in the host's event loop: in slices, so that input, output and Ctrl-C get through.

import { setImmediate as nextTick } from 'node:timers/promises'
import type { GuestProcess, System } from '../src/index.ts'
import type { HostOutput, StdinSource } from './streams.ts'

/** Instructions of one step, and host milliseconds of one slice. */
const STEP_BUDGET = 200_000
const SLICE_MS = 20

const SIGINT = 2
const SIGKILL = 9
const SIGPIPE = 13
const SIGTERM = 15

/**
 * Pumps until nothing is left to run.
 *
 *   Ctrl-C, SIGTERM        the same signal for every process of the guest; the second time, SIGKILL
 *   nobody reads stdout    SIGPIPE
 *   only sleepers left     wait for input; once the main process has ended, end them
 */
export async function pump(
  system: System,
  guest: GuestProcess,
  stdin: StdinSource,
  outputs: readonly HostOutput[],
): Promise<void> {
  let wake = () => {}
  let interrupts = 0
  const interrupt = (signo: number) => () => {
    system.signalAll(++interrupts === 1 ? signo : SIGKILL)
    wake()
  }
  const onInt = interrupt(SIGINT)
  const onTerm = interrupt(SIGTERM)
  process.on('SIGINT', onInt)
  process.on('SIGTERM', onTerm)
  stdin.onInput = () => wake()
  let isPipeReported = false
  try {
    for (;;) {
      const sliceEnd = Date.now() + SLICE_MS
      let result = system.step(STEP_BUDGET)
      while (result !== 'done' && result !== 'waiting for host' && Date.now() < sliceEnd)
        result = system.step(STEP_BUDGET)
      if (result === 'done') return
      for (const output of outputs) await output.drain()
      if (!isPipeReported && outputs.some((output) => output.isBroken)) {
        isPipeReported = true
        system.signalAll(SIGPIPE)
        continue
      }
      if (result !== 'waiting for host') {
        await nextTick()
        continue
      }
      if (guest.hasEnded) {
        system.signalAll(SIGKILL)
        continue
      }
      const seen = interrupts
      await new Promise<void>((resolve) => {
        // The timer keeps the host process alive while the guest sleeps for ever.
        const keepAlive = setInterval(() => {}, 60_000)
        wake = () => {
          clearInterval(keepAlive)
          resolve()
        }
        if (interrupts !== seen) wake()
      })
      wake = () => {}
    }
  } finally {
    process.off('SIGINT', onInt)
    process.off('SIGTERM', onTerm)
    stdin.close()
  }
}
