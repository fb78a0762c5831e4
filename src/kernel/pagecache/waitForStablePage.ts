import type { Pfn, Sleep } from '../../base/index.ts'
import { assertPage } from './assertPage.ts'
import type { PageCache } from './pageCache.ts'
import { waitOnPageWriteback } from './waitOnPage.ts'

/**
 * Before a page of a file is changed: waits for the end of its writeback if its device must see unchanging contents.
 *
 * @locks  sleeps; the caller holds a reference, usually the page lock
 * @manual wait_for_stable_page, Linux
 */
export function* waitForStablePage(cache: PageCache, pfn: Pfn): Sleep<void> {
  const f = cache.frames.frameOf(pfn)
  const object = cache.objectOf(f)
  assertPage(cache, object !== null, 'a page that must be stable belongs to a file', f)
  if (object.device.needsStablePages) yield* waitOnPageWriteback(cache, pfn)
}
