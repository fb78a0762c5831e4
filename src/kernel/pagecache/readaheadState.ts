import type { FileObject } from './fileObject.ts'

/** What one open file remembers of its reads (file_ra_state). Sizes are in pages. */
export interface ReadaheadState {
  /** The latest window: `size` pages from `start`, of which the last `asyncSize` start the next one. */
  start: number
  size: number
  asyncSize: number
  /** Largest window of this file; 0: no readahead. */
  raPages: number
  /** Score of misses by faults. */
  mmapMiss: number
  /** Byte where the previous read stopped; -1 before the first. */
  prevPos: number
  /** The program has said that it reads at random (FMODE_RANDOM). */
  isRandom: boolean
}

/** The state of a file opened now. */
export function newReadaheadState(object: FileObject): ReadaheadState {
  const { raPages } = object.device
  return { start: 0, size: 0, asyncSize: 0, raPages, mmapMiss: 0, prevPos: -1, isRandom: false }
}
