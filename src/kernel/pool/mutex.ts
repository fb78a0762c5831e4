// A sleeping lock with one holder, for the registration of DMA pools.

import { kassert, sleepOn, WaitQueue, type Sleep } from '../../base/index.ts'

export class Mutex {
  readonly queue: WaitQueue
  isHeld = false
  constructor(name: string) {
    this.queue = new WaitQueue(name)
  }
  *acquire(): Sleep<void> {
    while (this.isHeld) yield* sleepOn(this.queue)
    this.isHeld = true
  }
  release(): void {
    kassert(this.isHeld, 'a mutex is held when released', this.queue.name)
    this.isHeld = false
    this.queue.wakeOne()
  }
}
