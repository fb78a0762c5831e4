import { EINVAL, type Err, isErr, kassert, type OrErr, type Sleep, type WaitQueue } from '../../base/index.ts'
import { type FileIo, type Files, OpenFile, POLLIN } from '../file/index.ts'
import type { Process } from './process.ts'

const O_RDWR = 2

/** What a descriptor of pidfd_open names: a process, also after its end. */
export class PidFile implements FileIo {
  readonly isSeekable = false
  readonly process: Process
  readonly pollQueue: WaitQueue
  constructor(process: Process, exitQueue: WaitQueue) {
    this.process = process
    this.pollQueue = exitQueue
  }
  readTry(): Err {
    return EINVAL
  }
  // oxlint-disable-next-line require-yield
  *read(): Sleep<OrErr<number>> {
    return EINVAL
  }
  writeTry(): Err {
    return EINVAL
  }
  // oxlint-disable-next-line require-yield
  *write(): Sleep<OrErr<number>> {
    return EINVAL
  }
  poll(): number {
    return this.process.state === 'alive' ? 0 : POLLIN
  }
  release(): void {}
}

/** @param exitQueue  woken when a process ends */
export function openPidFile(files: Files, process: Process, exitQueue: WaitQueue, flags: number): OpenFile {
  const vnode = files.shm.createNameless({ kind: 'chardev', permissions: 0o600, uid: 0, gid: 0, time: files.now() })
  kassert(!isErr(vnode), 'files without a name can be made')
  vnode.name = 'anon_inode:[pidfd]'
  vnode.nlink = 1
  const file = new OpenFile(files, vnode, O_RDWR | flags)
  file.io = new PidFile(process, exitQueue)
  return file
}
