// Copies between the kernel and user memory. They go by the page table of the address space, page by page, and through
// the fault routine where the page table says no; so they work for any address space, loaded or not.
//
// A store needs more than a writable translation: its D bit must be set, or the page would seem clean.

import {
  EFAULT,
  ENAMETOOLONG,
  type Err,
  isErr,
  type OrErr,
  PAGE_MASK,
  PAGE_SIZE,
  type Sleep,
  WouldSleep,
} from '../../base/index.ts'
import { F_DIRTY } from '../../machine/index.ts'
import { READ, uvmFault, uvmFaultTry, WRITE } from '../fault/index.ts'
import type { VmSpace } from '../map/index.ts'
import { pmapLookup, pmapSetProtection, pmapUpdate } from '../pmap/index.ts'

/** What is 0 on success; copies know one error. */
export type CopyResult = 0 | Err

/**
 * Byte offset in the machine's memory of the user byte at `va`, good until the caller sleeps or unmaps.
 *
 * @param access  1 read, 2 write
 * @returns       the offset; WouldSleep; EFAULT (any refusal)
 */
export function userOffsetTry(space: VmSpace, va: number, access: number): number | WouldSleep | Err {
  if (!(va >= 0 && va < space.map.max)) return EFAULT
  const { pmaps } = space.vm
  if (!isReady(space, va, access)) {
    const result = uvmFaultTry(space, va, access)
    if (result === WouldSleep) return WouldSleep
    if (result !== 0 || !isReady(space, va, access)) return EFAULT
  }
  return pmaps.memory.frameOffset(pmaps.pfn) + (va & PAGE_MASK)
}
function isReady(space: VmSpace, va: number, access: number): boolean {
  const { pmaps } = space.vm
  if (!pmapLookup(space.pmap, va)) return false
  return access === WRITE ? (pmaps.prot & WRITE) !== 0 && (pmaps.flags & F_DIRTY) !== 0 : (pmaps.prot & READ) !== 0
}

/**
 * The same for a debugger, whom the protection of private memory does not stop: a write makes the page the process's
 * own. Shared memory that may not be written stays closed.
 *
 * @manual ptrace(2), proc_pid_mem(5)
 */
export function forcedOffsetTry(space: VmSpace, va: number, access: number): number | WouldSleep | Err {
  const entry = va >= 0 ? space.map.lookup(va) : null
  if (entry === null) return EFAULT
  const allowed = entry.protection
  if ((allowed & access) === access) return userOffsetTry(space, va, access)
  if (!entry.isCow && (entry.maxProtection & access) !== access) return EFAULT
  // Nothing else runs meanwhile; the translation goes back to what the entry allows before anybody can use it.
  entry.protection |= access
  const offset = userOffsetTry(space, va, access)
  entry.protection = allowed
  const page = va - (va & PAGE_MASK)
  pmapSetProtection(space.pmap, page, page + PAGE_SIZE, allowed, () => false)
  pmapUpdate(space.pmap)
  return offset
}

/** Makes the user page at `va` accessible. 0 or EFAULT; sleeps. */
export function* userFaultIn(space: VmSpace, va: number, access: number): Sleep<CopyResult> {
  if (!(va >= 0 && va < space.map.max)) return EFAULT
  return isErr(yield* uvmFault(space, va, access)) ? EFAULT : 0
}

/** Copies user bytes at `va` into `to`. @returns 0 or EFAULT, when a first part may have been copied */
export function copyInTry(
  space: VmSpace,
  va: number,
  to: Uint8Array,
  offsetOf = userOffsetTry,
): CopyResult | WouldSleep {
  const { u8 } = space.vm.machine.memory
  for (let done = 0; done < to.length;) {
    const offset = offsetOf(space, va + done, READ)
    if (typeof offset === 'symbol' || offset < 0) return offset as CopyResult | WouldSleep
    const bytes = Math.min(to.length - done, PAGE_SIZE - (offset & PAGE_MASK))
    to.set(u8.subarray(offset, offset + bytes), done)
    done += bytes
  }
  return 0
}
/** Copies `from` to user memory at `va`. @returns 0 or EFAULT, when a first part may have been copied */
export function copyOutTry(
  space: VmSpace,
  va: number,
  from: Uint8Array,
  offsetOf = userOffsetTry,
): CopyResult | WouldSleep {
  const { u8 } = space.vm.machine.memory
  for (let done = 0; done < from.length;) {
    const offset = offsetOf(space, va + done, WRITE)
    if (typeof offset === 'symbol' || offset < 0) return offset as CopyResult | WouldSleep
    const bytes = Math.min(from.length - done, PAGE_SIZE - (offset & PAGE_MASK))
    u8.set(from.subarray(done, done + bytes), offset)
    done += bytes
  }
  return 0
}

/**
 * The user bytes `[va, va + length)`, or EFAULT. The caller has bounded `length`.
 *
 * @locks  sleeps for pages
 * @manual copyin(9), NetBSD
 */
export function* copyIn(space: VmSpace, va: number, length: number): Sleep<OrErr<Uint8Array>> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length;) {
    const piece = Math.min(length - done, PAGE_SIZE - ((va + done) & PAGE_MASK))
    const result = copyInTry(space, va + done, bytes.subarray(done, done + piece))
    if (result === 0) done += piece
    else if (result !== WouldSleep || isErr(yield* userFaultIn(space, va + done, READ))) return EFAULT
  }
  return bytes
}
/**
 * Writes `bytes` at `va`: 0, or EFAULT, when a first part may have been written.
 *
 * @locks  sleeps for pages
 * @manual copyout(9), NetBSD
 */
export function* copyOut(space: VmSpace, va: number, bytes: Uint8Array): Sleep<CopyResult> {
  for (let done = 0; done < bytes.length;) {
    const piece = Math.min(bytes.length - done, PAGE_SIZE - ((va + done) & PAGE_MASK))
    const result = copyOutTry(space, va + done, bytes.subarray(done, done + piece))
    if (result === 0) done += piece
    else if (result !== WouldSleep || isErr(yield* userFaultIn(space, va + done, WRITE))) return EFAULT
  }
  return 0
}

/**
 * The bytes of a string at `va` up to its NUL.
 *
 * @param max  bytes, the NUL included
 * @returns    without the NUL; EFAULT; ENAMETOOLONG if there is no NUL within `max`
 */
export function* copyInString(space: VmSpace, va: number, max: number): Sleep<OrErr<Uint8Array>> {
  const { u8 } = space.vm.machine.memory
  const parts: Uint8Array[] = []
  for (let done = 0; done < max;) {
    const offset = userOffsetTry(space, va + done, READ)
    if (offset === WouldSleep) {
      if (isErr(yield* userFaultIn(space, va + done, READ))) return EFAULT
      continue
    }
    if (isErr(offset)) return EFAULT
    const page = u8.subarray(offset, offset + Math.min(max - done, PAGE_SIZE - (offset & PAGE_MASK)))
    const nul = page.indexOf(0)
    parts.push(nul < 0 ? page.slice() : page.slice(0, nul))
    if (nul >= 0) return join(parts)
    done += page.length
  }
  return ENAMETOOLONG
}
function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A 32-bit word of user memory, signed. */
export function* copyInInt(space: VmSpace, va: number): Sleep<number | 'EFAULT'> {
  const bytes = yield* copyIn(space, va, 4)
  return isErr(bytes) ? 'EFAULT' : new DataView(bytes.buffer).getInt32(0, true)
}
export function* copyOutInt(space: VmSpace, va: number, value: number): Sleep<CopyResult> {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return yield* copyOut(space, va, bytes)
}
