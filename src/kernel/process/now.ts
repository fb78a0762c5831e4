import type { Kernel } from './kernel.ts'

/** Simulated nanoseconds as the running CPU sees them: its own time may be ahead of the clock. */
export function nowNs(kernel: Kernel): number {
  const { clock, current } = kernel.machine
  return Math.max(clock.now, Math.floor(current.cpu.time))
}
