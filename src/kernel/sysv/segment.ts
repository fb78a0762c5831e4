import { kassert } from '../../base/index.ts'
import type { MappedFile } from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import type { Segments } from './segments.ts'

/** struct ipc_perm: whose it is, who made it, and what the three classes may do. */
export interface Permissions {
  uid: number
  gid: number
  readonly creatorUid: number
  readonly creatorGid: number
  /** Nine bits as of a file. */
  mode: number
}

export class Segment {
  readonly id: number
  /** 0 (IPC_PRIVATE) for one that no key leads to. */
  key: number
  /** Bytes as asked for; the memory is rounded up to pages. */
  readonly bytes: number
  readonly object: MemoryObject
  readonly permissions: Permissions
  readonly creatorPid: number
  lastPid = 0
  // Seconds since 1970; 0 for never.
  attachTime = 0
  detachTime = 0
  changeTime: number
  /** Map entries that show it. */
  attached = 0
  /** IPC_RMID: it goes with the last map entry. */
  isRemoved = false
  /** SHM_LOCK */
  isLocked = false

  constructor(id: number, key: number, bytes: number, object: MemoryObject, permissions: Permissions, made: Made) {
    this.id = id
    this.key = key
    this.bytes = bytes
    this.object = object
    this.permissions = permissions
    this.creatorPid = made.pid
    this.changeTime = made.seconds
  }
}
/** When and by whom something was done. */
export interface Made {
  readonly pid: number
  readonly seconds: number
}

/** What the map entries of one shmat name as their file: two attachments never merge. */
export class Attachment implements MappedFile {
  readonly segments: Segments
  readonly segment: Segment
  readonly isReadable = true
  readonly hearsOfEnds = true
  readonly isWritable: boolean
  constructor(segments: Segments, segment: Segment, isWritable: boolean) {
    this.segments = segments
    this.segment = segment
    this.isWritable = isWritable
  }
  get path(): string {
    return `/SYSV${(this.segment.key >>> 0).toString(16).padStart(8, '0')} (deleted)`
  }
  get inode(): number {
    return this.segment.id
  }
  get device(): number {
    return this.segments.device
  }
  reference(): void {
    const { segment } = this
    segment.attached++
    const { pid, seconds } = this.segments.now()
    segment.lastPid = pid
    segment.attachTime = seconds
  }
  release(): void {
    const { segment } = this
    kassert(segment.attached > 0, 'a segment is detached as often as it was attached')
    segment.attached--
    const { pid, seconds } = this.segments.now()
    segment.lastPid = pid
    segment.detachTime = seconds
    this.segments.destroyIfUnused(segment)
  }
}
