// The interval timers that count a process's own time: ITIMER_VIRTUAL in its program, ITIMER_PROF in the kernel as well.
// Looked at whenever its time was counted, which is at the end of a turn at the latest.

import type { Kernel } from './kernel.ts'
import type { Process } from './process.ts'
import { sendSignal } from './sendSignal.ts'
import { SI_KERNEL, SIGPROF, SIGVTALRM } from './signals.ts'

export interface CpuTimer {
  /** Of the time it counts, in simulated nanoseconds. */
  expiresNs: number
  /** 0: once. */
  readonly intervalNs: number
}
export interface CpuTimers {
  virtual: CpuTimer | null
  prof: CpuTimer | null
}

/** What a timer of a process counts, now. */
export function countedNs({ usage }: Process, which: keyof CpuTimers): number {
  return which === 'virtual' ? usage.userNs : usage.userNs + usage.systemNs
}

/** Sends the signals of the timers that have expired, and winds them up again. */
export function checkCpuTimers(kernel: Kernel, process: Process): void {
  check(kernel, process, 'virtual', SIGVTALRM)
  check(kernel, process, 'prof', SIGPROF)
}
function check(kernel: Kernel, process: Process, which: keyof CpuTimers, signo: number): void {
  const timers = process.cpuTimers
  const timer = timers?.[which] ?? null
  if (timers === null || timer === null) return
  const now = countedNs(process, which)
  if (now < timer.expiresNs) return
  if (timer.intervalNs === 0) timers[which] = null
  else while (timer.expiresNs <= now) timer.expiresNs += timer.intervalNs
  sendSignal(kernel, process, { signo, code: SI_KERNEL })
}
