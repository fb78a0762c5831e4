import { ECHILD, EINTR, type Err, type Sleep, sleepOn } from '../../base/index.ts'
import { reap } from './exit.ts'
import type { Kernel } from './kernel.ts'
import type { Process, Thread } from './process.ts'
import { Usage } from './process.ts'
import { SIGCHLD } from './signals.ts'

export const WNOHANG = 1
export const WUNTRACED = 2
export const WEXITED = 4
export const WCONTINUED = 8
export const WNOWAIT = 0x1000000
export const WNOTHREAD = 0x20000000
export const WALL = 0x40000000
export const WCLONE = 0x80000000

/** Whose end is waited for: any child, one child, the children of a group. */
export type WaitFor = { readonly kind: 'any' } | { readonly kind: 'pid' | 'group'; readonly id: number }

export interface WaitResult {
  readonly child: Process
  readonly pid: number
  /** As wait4 stores it. */
  readonly status: number
  readonly usage: Usage
}

/**
 * Waits until a child has ended, stopped or gone on.
 *
 * @param options  WEXITED, WUNTRACED, WCONTINUED: what counts; WNOHANG; WNOWAIT leaves it to be asked again
 * @returns        what happened; null with WNOHANG if nothing has; ECHILD no such child; EINTR
 * @locks          sleeps on the process's wait queue, interruptibly
 * @manual         wait4(2), waitid(2)
 */
export function* waitForChild(
  kernel: Kernel,
  thread: Thread,
  whom: WaitFor,
  options: number,
): Sleep<WaitResult | null | Err> {
  const { process } = thread
  for (;;) {
    const candidates = [...process.children].filter((child) => matches(process, child, whom, options))
    if (candidates.length === 0) return ECHILD
    for (const child of candidates) {
      const result = look(kernel, child, options)
      if (result !== null) return result
    }
    if ((options & WNOHANG) !== 0) return null
    if ((yield* sleepOn(process.waitQueue, Infinity, true)) === 'signal') return EINTR
  }
}

function matches(process: Process, child: Process, whom: WaitFor, options: number): boolean {
  if (whom.kind === 'pid' && child.pid !== whom.id) return false
  if (whom.kind === 'group' && child.pgid !== (whom.id === 0 ? process.pgid : whom.id)) return false
  if ((options & WALL) !== 0) return true
  return (child.exitSignal !== SIGCHLD) === ((options & WCLONE) !== 0)
}

function look(kernel: Kernel, child: Process, options: number): WaitResult | null {
  const keep = (options & WNOWAIT) !== 0
  const usage = new Usage()
  usage.add(child.usage)
  usage.add(child.childUsage)
  if (child.state === 'zombie' && (options & WEXITED) !== 0) {
    if (!keep) reap(kernel, child)
    return { child, pid: child.pid, status: child.exitStatus, usage }
  }
  if (child.hasUnreportedStop && child.stopSignal !== 0 && (options & WUNTRACED) !== 0) {
    if (!keep) child.hasUnreportedStop = false
    return { child, pid: child.pid, status: (child.stopSignal << 8) | 0x7f, usage }
  }
  if (child.hasUnreportedContinue && (options & WCONTINUED) !== 0) {
    if (!keep) child.hasUnreportedContinue = false
    return { child, pid: child.pid, status: 0xffff, usage }
  }
  return null
}
