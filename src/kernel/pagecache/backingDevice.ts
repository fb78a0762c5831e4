// A storage device as the page cache sees it (backing_dev_info).

import type { FileObject } from './fileObject.ts'

/** Capabilities; all are off for an ordinary disk. */
export const BDI_CAP_NO_ACCT_DIRTY = 0x01
export const BDI_CAP_NO_WRITEBACK = 0x02
export const BDI_CAP_NO_ACCT_WB = 0x04
/** Contents must not change while they are written (checksums). */
export const BDI_CAP_STABLE_WRITES = 0x08
export const BDI_CAP_STRICTLIMIT = 0x10
/** Memory that is its own store. */
export const BDI_CAP_NO_ACCT_AND_WRITEBACK = BDI_CAP_NO_ACCT_DIRTY | BDI_CAP_NO_WRITEBACK | BDI_CAP_NO_ACCT_WB

/** Readahead maximum of a device, in pages: 128 KiB. */
export const VM_MAX_READAHEAD_PAGES = 32

export class BackingDevice {
  readonly name: string
  readonly capabilities: number
  /** Largest readahead window of a file opened now, in pages; 0: none. */
  raPages: number
  /** Is the queue of reads full? Readahead that nobody waits for is then left out. */
  isReadCongested = false
  isWriteCongested = false
  /** Dirty pages of this device. */
  reclaimable = 0
  /** Pages being written. */
  writeback = 0
  /** Pages ever dirtied, and ever written. */
  dirtied = 0
  written = 0
  /** Recent completions, aged, and the period in which they were aged last (completions.ts). */
  completions = 0
  completionPeriod = 0
  /** Objects with something to write, with the time at which they became dirty; oldest first. */
  readonly dirtyObjects = new Map<FileObject, number>()

  constructor(name: string, capabilities = 0, raPages = VM_MAX_READAHEAD_PAGES) {
    this.name = name
    this.capabilities = capabilities
    this.raPages = raPages
  }
  get accountsDirty(): boolean {
    return (this.capabilities & BDI_CAP_NO_ACCT_DIRTY) === 0
  }
  get doesWriteback(): boolean {
    return (this.capabilities & BDI_CAP_NO_WRITEBACK) === 0
  }
  get accountsWriteback(): boolean {
    return (this.capabilities & (BDI_CAP_NO_ACCT_WB | BDI_CAP_NO_WRITEBACK)) === 0
  }
  get needsStablePages(): boolean {
    return (this.capabilities & BDI_CAP_STABLE_WRITES) !== 0
  }
}
