// Errors of writes that nobody waited for. They are latched, and told to whoever waits next.

import { EIO, ENOSPC, type Err } from '../../base/index.ts'
import { AS_EIO, AS_ENOSPC } from './constants.ts'
import type { FileObject } from './fileObject.ts'

/** Latches an error; 0 is none. */
export function mappingSetError(object: FileObject, err: number): void {
  if (err === 0) return
  object.flags |= err === ENOSPC ? AS_ENOSPC : AS_EIO
}

/** Takes the latched error. EIO wins, and both are gone. */
export function filemapCheckErrors(object: FileObject): 0 | Err {
  const { flags } = object
  object.flags &= ~(AS_EIO | AS_ENOSPC)
  if ((flags & AS_EIO) !== 0) return EIO
  return (flags & AS_ENOSPC) !== 0 ? ENOSPC : 0
}
