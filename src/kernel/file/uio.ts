import type { Err, OrErr, Sleep } from '../../base/index.ts'

/**
 * User memory on one side of a read or write: a buffer, or the buffers of a vector, with a position that moves forward.
 * Declared here, implemented by the process room over user addresses (DESIGN.md, decision 14).
 *
 * The kernel's side is a byte offset in the machine's memory, a piece of one frame. A move never sleeps: where the
 * user's page is missing it stops short, and `faultIn` then brings that page in or says why it cannot.
 */
export interface Uio {
  /** Bytes still to move. Every move takes off what it moved. */
  resid: number
  /** Copies up to `bytes` from machine memory at `memOffset` to the user; returns the bytes moved. */
  moveTo(memOffset: number, bytes: number): number
  /** Copies up to `bytes` from the user to machine memory at `memOffset`; returns the bytes moved. */
  moveFrom(memOffset: number, bytes: number): number
  /** Takes back the last `bytes` bytes moved: they are to be moved again. */
  unmove(bytes: number): void
  /**
   * Makes the user's next byte, or the one `ahead` bytes after it, resident, readable (`isStore` false) or writable. 0, or
   * EFAULT if it never can be. May sleep.
   */
  faultIn(isStore: boolean, ahead?: number): Sleep<OrErr<0>>
}

/** User memory by address, for structures. EFAULT where there is none. */
export interface UserBytes {
  read(address: number, length: number): Sleep<OrErr<Uint8Array>>
  write(address: number, bytes: Uint8Array): Sleep<0 | Err>
}
