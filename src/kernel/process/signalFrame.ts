// The frame of a signal handler on the user stack (Linux specification 3.7).
//
//   0          128                                     304                     560
//   [ siginfo ][ flags link | stack | mask | unused ][ pc, x1 … x31 (32 x 8) ][ f0 … f31, fcsr, end of extensions ]  1088 bytes
//              ucontext

import { EFAULT, type Err, isErr, type Sleep } from '../../base/index.ts'
import { SIGNAL_FRAME_BYTES } from './initialStack.ts'
import type { Thread } from './process.ts'
import { A0, A1, A2, RA, SP } from './registers.ts'
import {
  SA_ONSTACK,
  type SignalAction,
  type SignalInfo,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  UNBLOCKABLE,
} from './signals.ts'
import { copyIn, copyOut } from './userCopy.ts'
import { vdsoAddress } from './vdso.ts'

const UCONTEXT = 128
const UC_STACK = 144
const UC_MASK = 168
const MC_REGS = 304
const MC_FLOAT = 560
const MC_FCSR = MC_FLOAT + 256

/** Is the stack pointer on the alternate stack? */
export function isOnAltStack(thread: Thread, sp = thread.regs.get(SP)): boolean {
  const { start, size, flags } = thread.altStack
  return (flags & (SS_DISABLE | SS_AUTODISARM)) === 0 && sp > start && sp - start <= size
}

/**
 * Writes the frame and makes the registers those of the handler's first instruction.
 *
 * @returns 0, or EFAULT: nothing but the stack has changed
 */
export function* pushSignalFrame(thread: Thread, info: SignalInfo, action: SignalAction): Sleep<0 | Err> {
  const { regs, space, altStack } = thread
  const usesAlt = (action.flags & SA_ONSTACK) !== 0 && (altStack.flags & SS_DISABLE) === 0 && !isOnAltStack(thread)
  const from = usesAlt ? altStack.start + altStack.size : regs.get(SP)
  const sp = Math.floor((from - SIGNAL_FRAME_BYTES) / 16) * 16
  const frame = new Uint8Array(SIGNAL_FRAME_BYTES)
  const view = new DataView(frame.buffer)
  frame.set(siginfoBytes(info))
  view.setBigUint64(UC_STACK, BigInt(altStack.start), true)
  view.setUint32(UC_STACK + 8, (altStack.flags >>> 0) | (isOnAltStack(thread) ? SS_ONSTACK : 0), true)
  view.setBigUint64(UC_STACK + 16, BigInt(altStack.size), true)
  view.setBigUint64(UC_MASK, thread.savedMask ?? thread.mask, true)
  view.setBigUint64(MC_REGS, BigInt(regs.pc), true)
  for (let r = 1; r < 32; r++) view.setBigInt64(MC_REGS + 8 * r, regs.x64[r]!, true)
  for (let r = 0; r < 32; r++) view.setBigInt64(MC_FLOAT + 8 * r, regs.f64[r]!, true)
  view.setUint32(MC_FCSR, regs.fcsr, true)
  const written = yield* copyOut(space, sp, frame)
  if (isErr(written)) return written
  if ((altStack.flags & SS_AUTODISARM) !== 0 && usesAlt) thread.altStack = { start: 0, size: 0, flags: SS_DISABLE }
  regs.set(RA, vdsoAddress(space.map.entries()))
  regs.set(SP, sp)
  regs.set(A0, info.signo)
  regs.set(A1, sp)
  regs.set(A2, sp + UCONTEXT)
  regs.pc = action.handler
  return 0
}

/**
 * Takes the registers, the mask and the alternate stack back from the frame at the stack pointer.
 *
 * @returns 0, or EFAULT: the frame cannot be read or is none
 */
export function* popSignalFrame(thread: Thread): Sleep<0 | Err> {
  const { regs, space } = thread
  const bytes = yield* copyIn(space, regs.get(SP), SIGNAL_FRAME_BYTES)
  if (isErr(bytes)) return bytes
  const view = new DataView(bytes.buffer)
  for (let at = MC_FCSR + 4; at < SIGNAL_FRAME_BYTES; at += 4) if (view.getUint32(at, true) !== 0) return EFAULT
  regs.pc = addressOf(view.getBigUint64(MC_REGS, true))
  for (let r = 1; r < 32; r++) regs.x64[r] = view.getBigInt64(MC_REGS + 8 * r, true)
  for (let r = 0; r < 32; r++) regs.f64[r] = view.getBigInt64(MC_FLOAT + 8 * r, true)
  regs.fcsr = view.getUint32(MC_FCSR, true) & 0xff
  thread.mask = view.getBigUint64(UC_MASK, true) & ~UNBLOCKABLE
  const flags = view.getUint32(UC_STACK + 8, true)
  thread.altStack = {
    start: Number(view.getBigUint64(UC_STACK, true)),
    size: Number(view.getBigUint64(UC_STACK + 16, true)),
    flags: (flags & ~SS_ONSTACK) >>> 0,
  }
  return 0
}
/** A program counter from memory: even, and a signed number. */
const addressOf = (value: bigint): number => Number(BigInt.asIntN(64, value & ~1n))

/** siginfo_t, 128 bytes. */
export function siginfoBytes(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(128)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, info.signo, true)
  view.setInt32(8, info.code, true)
  if (info.address !== undefined) {
    view.setBigInt64(16, BigInt(info.address), true)
    return bytes
  }
  view.setInt32(16, info.pid ?? 0, true)
  view.setInt32(20, info.uid ?? 0, true)
  if (info.status !== undefined) view.setInt32(24, info.status, true)
  else if (info.value !== undefined) view.setBigInt64(24, BigInt.asIntN(64, info.value), true)
  return bytes
}
