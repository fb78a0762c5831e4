import { PAGE_SIZE, pfn, PGOFF_MAX, type Pfn, type Sleep } from '../../base/index.ts'
import { PG_dirty, PG_writeback } from '../phys/index.ts'
import {
  AOP_WRITEPAGE_ACTIVATE,
  clearPageDirtyForIo,
  findGetPagesTag,
  lockPage,
  pagevecRelease,
  PVEC_SIZE,
  TAG_DIRTY,
  TAG_TOWRITE,
  unlockPage,
  waitOnPageWriteback,
  type FileObject,
  type PageCache,
  type WritebackControl,
} from '../pagecache/index.ts'
import { tagPagesForWriteback } from './tagPagesForWriteback.ts'

/** Writes a locked page that is clean by now; unlocks it unless it answers AOP_WRITEPAGE_ACTIVATE. */
export type PageWriter = (page: Pfn) => Sleep<number>

/** How a pass ended. */
interface Pass {
  /** Nothing more is to be done, in another pass neither. */
  isDone: boolean
  /** The first error. */
  result: number
  /** Where the next cyclic walk goes on. */
  doneIndex: number
}

/**
 * Walks over the dirty pages of a file and has them written.
 *
 * Cyclic: from where the last walk stopped to the end, then from 0 to there. Otherwise the range. With isSyncAll it
 * waits for pages that are being written already and works through a snapshot; without, it leaves them out and stops
 * when the budget is used up.
 *
 * @returns 0, or the writer's first error, at which the walk stops. Skipped pages are no error
 * @locks   none held; sleeps
 * @manual  write_cache_pages, Linux
 */
export function* writeCachePages(
  cache: PageCache,
  object: FileObject,
  wbc: WritebackControl,
  writer: PageWriter,
): Sleep<number> {
  const resume = object.writebackIndex
  const isWhole = wbc.rangeStart === 0 && wbc.rangeEnd === Infinity
  const start = wbc.rangeCyclic ? resume : Math.floor(wbc.rangeStart / PAGE_SIZE)
  const end = wbc.rangeCyclic ? PGOFF_MAX : Math.min(PGOFF_MAX, Math.floor(wbc.rangeEnd / PAGE_SIZE))
  const pass: Pass = { isDone: false, result: 0, doneIndex: start }
  yield* writePass(cache, object, wbc, writer, start, end, pass)
  if (wbc.rangeCyclic && resume > 0 && !pass.isDone) yield* writePass(cache, object, wbc, writer, 0, resume - 1, pass)
  if (wbc.rangeCyclic || (isWhole && wbc.nrToWrite > 0)) object.writebackIndex = pass.doneIndex
  return pass.result
}

/** Pages [start, end] once. */
function* writePass(
  cache: PageCache,
  object: FileObject,
  wbc: WritebackControl,
  writer: PageWriter,
  start: number,
  end: number,
  pass: Pass,
): Sleep<void> {
  const isSnapshot = wbc.isSyncAll || wbc.taggedWritepages
  if (isSnapshot) tagPagesForWriteback(object, start, end)
  pass.doneIndex = start
  const cursor = { index: start }
  const pages: number[] = []
  while (!pass.isDone && cursor.index <= end) {
    const from = cursor.index
    const most = Math.min(end - from + 1, PVEC_SIZE)
    const count = findGetPagesTag(cache, object, cursor, isSnapshot ? TAG_TOWRITE : TAG_DIRTY, most, pages)
    if (count === 0) return
    for (let i = 0; i < count && !pass.isDone; i++) {
      const index = cache.frames.pgoff[cache.frames.frameOf(pages[i])]
      if (index > end) pass.isDone = true
      else {
        pass.doneIndex = index
        yield* writeIfDirty(cache, object, wbc, writer, pfn(pages[i]), pass)
      }
    }
    pagevecRelease(cache, pages, count)
    // Wrapped behind the last index.
    if (cursor.index < from) return
  }
}

function* writeIfDirty(
  cache: PageCache,
  object: FileObject,
  wbc: WritebackControl,
  writer: PageWriter,
  page: Pfn,
  pass: Pass,
): Sleep<void> {
  const f = cache.frames.frameOf(page)
  yield* lockPage(cache, page)
  const isOurs = cache.belongsTo(f, object) && cache.has(f, PG_dirty)
  // The wait comes before the page is made clean: its newest contents are written after it.
  if (isOurs && wbc.isSyncAll) yield* waitOnPageWriteback(cache, page)
  if (!isOurs || cache.has(f, PG_writeback) || !clearPageDirtyForIo(cache, page)) {
    unlockPage(cache, page)
    return
  }
  if (cache.trace.on) traceWritepage(cache, object, wbc)
  const result = yield* writer(page)
  if (result === AOP_WRITEPAGE_ACTIVATE) unlockPage(cache, page)
  else if (result !== 0) {
    // One past the bad page, so that background writeback does not stick to it.
    pass.doneIndex++
    pass.isDone = true
    pass.result = result
    return
  }
  if (--wbc.nrToWrite <= 0 && !wbc.isSyncAll) pass.isDone = true
}

function traceWritepage(cache: PageCache, object: FileObject, wbc: WritebackControl): void {
  cache.trace.emit('wbc_writepage', {
    name: object.device.name,
    nr_to_write: wbc.nrToWrite,
    pages_skipped: wbc.pagesSkipped,
    sync_mode: wbc.isSyncAll ? 1 : 0,
    for_kupdate: wbc.forKupdate ? 1 : 0,
    for_background: wbc.forBackground ? 1 : 0,
    for_reclaim: wbc.forReclaim ? 1 : 0,
    range_cyclic: wbc.rangeCyclic ? 1 : 0,
    range_start: wbc.rangeStart,
    range_end: wbc.rangeEnd,
  })
}
