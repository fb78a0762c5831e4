import { PGOFF_MAX } from '../../base/index.ts'
import { TAG_DIRTY, TAG_TOWRITE, type FileObject } from '../pagecache/index.ts'

/** Entries tagged while the index is locked once. */
const TAG_BATCH = 4096

/**
 * The snapshot of a sync: everything dirty now in a range gets the tag TOWRITE. What becomes dirty afterwards cannot
 * make the sync longer.
 *
 * @param end  inclusive page index
 * @returns    how often the index was locked
 * @locks      yields between batches; never waits
 * @manual     tag_pages_for_writeback, Linux
 */
export function tagPagesForWriteback(object: FileObject, start: number, end: number): number {
  const { pages } = object
  let at = start
  for (let holds = 1; ; holds++) {
    let tagged = 0
    while (tagged < TAG_BATCH && at >= 0 && at <= end) {
      at = pages.nextTagged(at, TAG_DIRTY)
      if (at < 0 || at > end) break
      pages.setTag(at, TAG_TOWRITE)
      tagged++
      at = at === PGOFF_MAX ? -1 : at + 1
    }
    if (tagged < TAG_BATCH) return holds
  }
}
