import { type Sleep, WaitQueue } from '../../base/index.ts'
import type { FaultNews } from '../map/index.ts'
import type { UserFaults } from './userFaults.ts'

export const EVENT_PAGEFAULT = 0x12
export const EVENT_FORK = 0x13
export const EVENT_REMAP = 0x14
export const EVENT_REMOVE = 0x15
export const EVENT_UNMAP = 0x16

export const MESSAGE_BYTES = 32

/** Something that happened to a listener's ranges. Whoever did it sleeps until the message has been read. */
export class ListenerEvent implements FaultNews {
  readonly listener: UserFaults
  readonly code: number
  /** Of the message: from, to, length; or start, end. */
  readonly words: readonly number[]
  /** EVENT_FORK: the child's userfaultfd. Its number is given when the message is read. */
  readonly heir: UserFaults | null
  readonly queue = new WaitQueue('userfault event')
  isHeard = false

  constructor(listener: UserFaults, code: number, words: readonly number[], heir: UserFaults | null = null) {
    this.listener = listener
    this.code = code
    this.words = words
    this.heir = heir
  }
  *tell(): Sleep<void> {
    yield* this.listener.announce(this)
  }
  cancel(): void {
    this.listener.abandon(this)
  }
}

/** struct uffd_msg: the event, and up to three words behind it. */
export function message(code: number, words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(MESSAGE_BYTES))
  view.setUint8(0, code)
  words.forEach((word, i) => view.setBigUint64(8 + i * 8, BigInt(word), true))
  return new Uint8Array(view.buffer)
}
