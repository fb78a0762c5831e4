// Resource limits: soft and hard values by number, in the units of setrlimit(2); Infinity for none.

import { MiB } from '../../base/index.ts'
import { CAP_IPC_LOCK, CAP_SYS_RAWIO, capable, type Credentials, DEFAULT_FD_LIMIT } from '../file/index.ts'
import type { SpaceLimits } from '../map/index.ts'

export const RLIMIT_CPU = 0
export const RLIMIT_FSIZE = 1
export const RLIMIT_DATA = 2
export const RLIMIT_STACK = 3
export const RLIMIT_CORE = 4
export const RLIMIT_RSS = 5
export const RLIMIT_NPROC = 6
export const RLIMIT_NOFILE = 7
export const RLIMIT_MEMLOCK = 8
export const RLIMIT_AS = 9
export const RLIMIT_LOCKS = 10
export const RLIMIT_SIGPENDING = 11
export const RLIMIT_MSGQUEUE = 12
export const RLIMIT_NICE = 13
export const RLIMIT_RTPRIO = 14
export const RLIMIT_RTTIME = 15
export const RLIMIT_COUNT = 16

export class Limits {
  readonly soft: Float64Array
  readonly hard: Float64Array
  constructor(from?: Limits) {
    this.soft = new Float64Array(RLIMIT_COUNT).fill(Infinity)
    this.hard = new Float64Array(RLIMIT_COUNT).fill(Infinity)
    if (from !== undefined) {
      this.soft.set(from.soft)
      this.hard.set(from.hard)
      return
    }
    this.set(RLIMIT_STACK, 8 * MiB, Infinity)
    this.set(RLIMIT_CORE, 0, Infinity)
    this.set(RLIMIT_NPROC, 4096, 4096)
    this.set(RLIMIT_NOFILE, DEFAULT_FD_LIMIT, 4096)
    this.set(RLIMIT_MEMLOCK, 8 * MiB, 8 * MiB)
    this.set(RLIMIT_SIGPENDING, 4096, 4096)
    this.set(RLIMIT_MSGQUEUE, 819200, 819200)
    this.set(RLIMIT_NICE, 0, 0)
    this.set(RLIMIT_RTPRIO, 0, 0)
  }
  set(which: number, soft: number, hard: number): void {
    this.soft[which] = soft
    this.hard[which] = hard
  }
  /** The ones that an address space checks, as far as they hold for `who`. */
  forSpace(who: Credentials): SpaceLimits {
    return {
      as: this.soft[RLIMIT_AS]!,
      data: this.soft[RLIMIT_DATA]!,
      stack: this.soft[RLIMIT_STACK]!,
      memlock: capable(who, CAP_IPC_LOCK) ? Infinity : this.soft[RLIMIT_MEMLOCK]!,
      mapsLow: capable(who, CAP_SYS_RAWIO),
    }
  }
}
