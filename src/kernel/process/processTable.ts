import { EAGAIN, type Err } from '../../base/index.ts'
import type { Process, Thread } from './process.ts'

/** Largest process number, as /proc/sys/kernel/pid_max has it by default. */
export const PID_MAX = 32768
/** Numbers below this are not used a second time. */
const PID_RESERVED = 300

/** All processes and threads by number. One number space, in the order of birth. */
export class ProcessTable {
  readonly byPid = new Map<number, Process>()
  readonly byTid = new Map<number, Thread>()
  /** Born since boot. */
  forks = 0
  /** Most processes and threads at a time. */
  limit = 4096
  /** The process that inherits orphans: the first one, while it lives. */
  init: Process | null = null
  #last = 0

  /** A number that is neither a thread's nor a zombie's nor names a group. EAGAIN if there is none. */
  newPid(): number | Err {
    if (this.byTid.size >= this.limit) return EAGAIN
    for (let tries = 0; tries < PID_MAX; tries++) {
      this.#last = this.#last + 1 >= PID_MAX ? PID_RESERVED : this.#last + 1
      if (!this.isUsed(this.#last)) return this.#last
    }
    return EAGAIN
  }
  isUsed(pid: number): boolean {
    if (this.byTid.has(pid) || this.byPid.has(pid)) return true
    for (const process of this.byPid.values()) if (process.pgid === pid || process.sid === pid) return true
    return false
  }
  /** Does it run, or has it? While its first page waits for memory it does not. */
  isBorn(process: Process): boolean {
    const { threads } = process
    return threads.length === 0 || threads.some((thread) => this.byTid.get(thread.tid) === thread)
  }
  enter(process: Process): void {
    this.byPid.set(process.pid, process)
  }
  enterThread(thread: Thread): void {
    this.byTid.set(thread.tid, thread)
    this.forks++
  }
  remove(process: Process): void {
    this.byPid.delete(process.pid)
  }
  removeThread(thread: Thread): void {
    this.byTid.delete(thread.tid)
  }
  /** Living processes of a group, or of one process if it leads no group. */
  group(pgid: number): Process[] {
    return [...this.byPid.values()].filter((process) => process.pgid === pgid)
  }
}
