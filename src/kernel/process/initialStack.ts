// What a program finds above its first stack pointer (Linux specification 3.3).
//
//   sp                                                                                             top
//   [argc][argv…][0][envp…][0][auxv pairs…][0 0][pad][16 random][argv strings][env strings][file name][8 zeros]

import { PAGE_SIZE, type Rng } from '../../base/index.ts'
import type { ProcessCredentials } from './credentials.ts'

export const AT_PHDR = 3
export const AT_PHENT = 4
export const AT_PHNUM = 5
export const AT_PAGESZ = 6
export const AT_BASE = 7
export const AT_FLAGS = 8
export const AT_ENTRY = 9
export const AT_UID = 11
export const AT_EUID = 12
export const AT_GID = 13
export const AT_EGID = 14
export const AT_HWCAP = 16
export const AT_CLKTCK = 17
export const AT_SECURE = 23
export const AT_RANDOM = 25
export const AT_HWCAP2 = 26
export const AT_EXECFN = 31
export const AT_MINSIGSTKSZ = 51

/** IMAFDC: bit (letter - 'A') for each extension. */
export const HWCAP_RV64GC = 0x112d
/** Bytes of a signal frame. */
export const SIGNAL_FRAME_BYTES = 1088

export interface StackContents {
  readonly argv: readonly Uint8Array[]
  readonly env: readonly Uint8Array[]
  /** The name that was given to execve. */
  readonly fileName: Uint8Array
  readonly phdr: number
  readonly phnum: number
  /** Load bias of the interpreter, 0 without one. */
  readonly base: number
  /** Of the program, not of the interpreter. */
  readonly entry: number
  readonly who: ProcessCredentials
  /** It runs with more than whoever started it has. */
  readonly isSecure: boolean
}
export interface InitialStack {
  readonly sp: number
  /** From `sp` up to the top. */
  readonly bytes: Uint8Array
  readonly auxv: Uint8Array
  readonly argStart: number
  readonly argEnd: number
  readonly envEnd: number
}

/** Bytes of arguments and environment as execve limits them: strings, their NULs and their pointers. */
export function argumentBytes(argv: readonly Uint8Array[], env: readonly Uint8Array[]): number {
  let bytes = 0
  for (const text of argv) bytes += text.length + 1 + 8
  for (const text of env) bytes += text.length + 1 + 8
  return bytes
}

/** Lays out the stack of a new program that ends at `top`. */
export function buildInitialStack(top: number, c: StackContents, rng: Rng): InitialStack {
  let stringBytes = 8 + c.fileName.length + 1
  for (const text of [...c.argv, ...c.env]) stringBytes += text.length + 1
  const argStart = top - stringBytes
  const random = Math.floor(argStart / 16) * 16 - 16
  const aux: readonly (readonly [number, number])[] = [
    [AT_MINSIGSTKSZ, SIGNAL_FRAME_BYTES],
    [AT_HWCAP, HWCAP_RV64GC],
    [AT_PAGESZ, PAGE_SIZE],
    [AT_CLKTCK, 100],
    [AT_PHDR, c.phdr],
    [AT_PHENT, 56],
    [AT_PHNUM, c.phnum],
    [AT_BASE, c.base],
    [AT_FLAGS, 0],
    [AT_ENTRY, c.entry],
    [AT_UID, c.who.realUid],
    [AT_EUID, c.who.uid],
    [AT_GID, c.who.realGid],
    [AT_EGID, c.who.gid],
    [AT_SECURE, Number(c.isSecure)],
    [AT_RANDOM, random],
    [AT_HWCAP2, 0],
    [AT_EXECFN, top - 8 - c.fileName.length - 1],
    [0, 0],
  ]
  const words = 1 + c.argv.length + 1 + c.env.length + 1 + aux.length * 2
  const sp = Math.floor((random - words * 8) / 16) * 16

  const bytes = new Uint8Array(top - sp)
  const view = new DataView(bytes.buffer)
  let word = 0
  const put = (value: number): void => {
    view.setUint32(word, value % 2 ** 32, true)
    view.setUint32(word + 4, Math.floor(value / 2 ** 32), true)
    word += 8
  }
  let at = argStart
  const putString = (text: Uint8Array): number => {
    const here = at
    bytes.set(text, at - sp)
    at += text.length + 1
    return here
  }
  put(c.argv.length)
  for (const text of c.argv) put(putString(text))
  put(0)
  const argEnd = at
  for (const text of c.env) put(putString(text))
  put(0)
  const envEnd = at
  putString(c.fileName)
  const auxStart = word
  for (const [type, value] of aux) {
    put(type)
    put(value)
  }
  const auxv = bytes.slice(auxStart, word)
  for (let i = 0; i < 16; i += 4) view.setUint32(random - sp + i, rng.next32(), true)
  return { sp, bytes, auxv, argStart, argEnd, envEnd }
}
