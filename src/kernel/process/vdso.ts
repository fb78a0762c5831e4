import { isErr, kassert, PAGE_SIZE, WouldSleep } from '../../base/index.ts'
import { createShmemObject, type Files } from '../file/index.ts'
import type { MappedFile } from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'

// li a7, 139; ecall
const SIGRETURN_CODE = [0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00]

/**
 * The page of code that signal handlers return to, mapped into every address space (Linux specification 3.5). One for
 * the system, made at boot.
 */
export function createVdso(files: Files): MemoryObject {
  const object = createShmemObject(files, PAGE_SIZE)
  const page = object.pager.getTry(object, 0, 2)
  kassert(page !== WouldSleep && !isErr(page), 'there is memory for the vdso at boot')
  const { memory } = files.machine
  memory.u8.set(SIGRETURN_CODE, memory.frameOffset(page))
  return object
}

/** What /proc/PID/maps shows of it. */
export const VDSO_FILE: MappedFile = {
  path: '[vdso]',
  inode: 0,
  device: 0,
  isReadable: true,
  isWritable: false,
  reference() {},
  release() {},
}
/** Where a space has its vdso, or 0. */
export function vdsoAddress(entries: Iterable<{ start: number; file: MappedFile | null }>): number {
  for (const { start, file } of entries) if (file === VDSO_FILE) return start
  return 0
}
