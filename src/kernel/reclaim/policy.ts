// Which page goes next: the page-replacement policy, apart from the daemon that takes pages away (pdpolicy).

import type { PageQueues } from '../phys/index.ts'

/** Events that a policy counts; the names are uvmexp's. */
export class PolicyEvents {
  pdscans = 0
  pdreact = 0
  pdreanon = 0
  pdrefile = 0
  pdreexec = 0
  pddeact = 0
}

/** A policy beside another: the daemon knows no more of it. A page is named by its frame index. */
export interface ReplacementPolicy extends PageQueues {
  readonly name: string
  readonly events: PolicyEvents
  /** Pages on the queues. */
  readonly active: number
  readonly inactive: number
  /** A scan begins: decides which kinds of page it spares. */
  beginScan(): void
  /** The next page to take, or -1: there is none. It stays on its queue until it is dequeued or activated. */
  selectVictim(): number
  /** Between scans: deactivates pages until enough of them are inactive. */
  balance(): void
  /** Is it worth scanning although there is no shortage yet? */
  readonly needsScan: boolean
  verify(): void
}
