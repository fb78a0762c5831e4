import { kassert, sleepOn, WaitQueue, type Sleep } from '../../base/index.ts'

/** The sleeping lock of one file: held while its size or content change (the manuals' i_mutex). */
export class InodeLock {
  isHeld = false
  readonly queue: WaitQueue
  constructor(name: string) {
    this.queue = new WaitQueue(name)
  }
  tryAcquire(): boolean {
    if (this.isHeld) return false
    this.isHeld = true
    return true
  }
  *acquire(): Sleep<void> {
    while (!this.tryAcquire()) yield* sleepOn(this.queue)
  }
  release(): void {
    kassert(this.isHeld, 'an inode lock is held when released', this.queue.name)
    this.isHeld = false
    this.queue.wakeOne()
  }
}
