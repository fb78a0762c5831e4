import { type Sleep } from '../../base/index.ts'
import {
  AOP_WRITEPAGE_ACTIVATE,
  mappingSetError,
  type FileObject,
  type PageCache,
  type WritebackControl,
} from '../pagecache/index.ts'
import { writeCachePages } from './writeCachePages.ts'

/**
 * Writes dirty pages with the file system's writePage. An error is answered and latched.
 *
 * @locks  sleeps
 * @manual generic_writepages, Linux
 */
export function* genericWritepages(cache: PageCache, object: FileObject, wbc: WritebackControl): Sleep<number> {
  const { ops } = object
  if (ops.writePage === undefined) return 0
  return yield* writeCachePages(cache, object, wbc, function* (page) {
    const result = yield* ops.writePage!(object, page, wbc)
    if (result !== AOP_WRITEPAGE_ACTIVATE) mappingSetError(object, result)
    return result
  })
}

/** Writes dirty pages as the file system wants it. Nothing without a budget. */
export function* doWritepages(cache: PageCache, object: FileObject, wbc: WritebackControl): Sleep<number> {
  if (wbc.nrToWrite <= 0) return 0
  if (object.ops.writePages !== undefined) return yield* object.ops.writePages(object, wbc)
  return yield* genericWritepages(cache, object, wbc)
}
