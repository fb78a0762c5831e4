// Locks are ranked records (DESIGN.md, decision 13). Taking a lower rank while holding a higher one panics.
// The kernel is single-threaded: a spin lock never waits, it only asserts; a sleeping lock really waits.

import { kassert, panic } from './assert.ts'
import { sleepOn, WaitQueue, type Sleep } from './sleep.ts'

// The order in which locks are taken, outermost first.
export const RANK_INODE = 1
export const RANK_MAP = 2
export const RANK_PAGE = 3
export const RANK_MAPPINGS = 4
export const RANK_AMAP = 5
export const RANK_OBJECT = 6
export const RANK_QUEUES = 7
export const RANK_ZONE = 8
export const RANK_PMAP = 9
export const RANK_PV = 10
export const RANK_MAILBOX = 11

/** A lock that is never waited for: it asserts that nobody re-enters the section it guards. */
export class SpinLock {
  readonly rank: number
  readonly name: string
  isHeld = false
  constructor(rank: number, name: string) {
    this.rank = rank
    this.name = name
  }
  acquire(): void {
    kassert(!this.isHeld, 'spin lock is not taken twice', this.name)
    this.isHeld = true
  }
  release(): void {
    kassert(this.isHeld, 'spin lock is held when released', this.name)
    this.isHeld = false
  }
}

/** Whoever holds a sleeping lock; compared by identity. */
export type LockOwner = object

/**
 * A sleeping reader/writer lock with UVM's busy state and timestamp (uvm specification, 2.3).
 *
 *   free -> read(n) | write(owner);  write(owner) -> busy(owner) -> write(owner)
 *
 * While busy, readers proceed and other writers wait. Every write acquisition increments `timestamp`.
 */
export class MapLock {
  readonly rank = RANK_MAP
  readonly name: string
  readers = 0
  writer: LockOwner | null = null
  busy: LockOwner | null = null
  timestamp = 0
  readonly queue: WaitQueue
  constructor(name: string) {
    this.name = name
    this.queue = new WaitQueue(name)
  }
  tryWrite(owner: LockOwner): boolean {
    if (this.writer !== null || this.readers > 0) return false
    if (this.busy !== null && this.busy !== owner) return false
    this.writer = owner
    this.timestamp++
    return true
  }
  *write(owner: LockOwner): Sleep<void> {
    kassert(this.writer !== owner, 'map lock is not taken twice', this.name)
    while (!this.tryWrite(owner)) yield* sleepOn(this.queue)
  }
  unlockWrite(): void {
    if (this.writer === null) panic('map lock is write-held when released', this.name)
    this.writer = null
    this.queue.wakeAll()
  }
  tryRead(): boolean {
    if (this.writer !== null) return false
    this.readers++
    return true
  }
  *read(): Sleep<void> {
    while (!this.tryRead()) yield* sleepOn(this.queue)
  }
  unlockRead(): void {
    kassert(this.readers > 0, 'map lock is read-held when released', this.name)
    if (--this.readers === 0) this.queue.wakeAll()
  }
  setBusy(owner: LockOwner): void {
    kassert(this.writer === owner, 'only the write holder marks a map busy', this.name)
    this.busy = owner
  }
  clearBusy(): void {
    this.busy = null
    this.queue.wakeAll()
  }
}
