import type { WritebackControl } from '../pagecache/index.ts'

/** A request to write `nrToWrite` pages of the whole file, to clean some memory. Spread and change what differs. */
export function writebackControl(nrToWrite: number, changes: Partial<WritebackControl> = {}): WritebackControl {
  return {
    nrToWrite,
    pagesSkipped: 0,
    rangeStart: 0,
    rangeEnd: Infinity,
    isSyncAll: false,
    rangeCyclic: false,
    taggedWritepages: false,
    forKupdate: false,
    forBackground: false,
    forReclaim: false,
    ...changes,
  }
}
