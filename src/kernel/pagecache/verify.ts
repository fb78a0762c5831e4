// The invariants of the door, recomputed.

import { kassert, pfn } from '../../base/index.ts'
import {
  globalStat,
  NR_FILE_DIRTY,
  NR_FILE_PAGES,
  NR_INACTIVE_ANON,
  NR_WRITEBACK,
  PG_dirty,
  PG_lru,
  PG_writeback,
} from '../phys/index.ts'
import { assertPage } from './assertPage.ts'
import { TAG_DIRTY, TAG_TOWRITE, TAG_WRITEBACK } from './constants.ts'
import { FileObject } from './fileObject.ts'
import { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE, pageLru } from './lru.ts'
import type { PageCache } from './pageCache.ts'

/** Panics if an invariant does not hold. */
export function verifyPageCache(cache: PageCache): void {
  const seen = new Set<number>()
  const devices = new Map<FileObject['device'], { dirty: number; writeback: number }>()
  let nrPages = 0
  let nrDirty = 0
  let nrWriteback = 0
  for (const object of cache.objects.byId.values()) {
    if (!(object instanceof FileObject)) continue
    const device = devices.get(object.device) ?? { dirty: 0, writeback: 0 }
    devices.set(object.device, device)
    let pages = 0
    let shadows = 0
    for (let index = object.pages.next(0); index >= 0; index = object.pages.next(index + 1)) {
      const value = object.pages.get(index)
      if (value < 0) {
        shadows++
        for (const tag of [TAG_DIRTY, TAG_WRITEBACK, TAG_TOWRITE])
          kassert(!object.pages.hasTag(index, tag), 'an exceptional entry has no tag', `index ${index}`)
        continue
      }
      pages++
      const f = cache.frames.frameOf(pfn(value - 1))
      assertPage(cache, !seen.has(f), 'a page is in one slot', f)
      seen.add(f)
      assertPage(cache, cache.belongsTo(f, object), 'a page knows its object', f)
      assertPage(cache, cache.frames.pgoff[f] === index, 'a page knows its index', f)
      assertPage(cache, cache.frames.refcount[f] >= 1, 'a cached page has a reference', f)
      const isWriting = cache.has(f, PG_writeback)
      assertPage(cache, isWriting === object.pages.hasTag(index, TAG_WRITEBACK), 'WRITEBACK tag and flag agree', f)
      if (isWriting) {
        nrWriteback++
        if (object.device.accountsWriteback) device.writeback++
      }
      if (cache.has(f, PG_dirty) && object.device.accountsDirty) {
        nrDirty++
        device.dirty++
        assertPage(cache, object.pages.hasTag(index, TAG_DIRTY), 'a dirty page is tagged DIRTY', f)
      }
    }
    nrPages += pages
    kassert(pages === object.nrPages, 'nrPages counts the pages', `object ${object.id}`)
    kassert(shadows === object.nrShadows, 'nrShadows counts the shadows', `object ${object.id}`)
  }
  verifyLists(cache)
  kassert(globalStat(cache.phys, NR_FILE_PAGES) === nrPages, 'nr_file_pages counts the cached pages')
  kassert(globalStat(cache.phys, NR_FILE_DIRTY) === nrDirty, 'nr_dirty counts the dirty pages')
  kassert(globalStat(cache.phys, NR_WRITEBACK) === nrWriteback, 'nr_writeback counts the pages under writeback')
  for (const [device, counted] of devices) {
    kassert(device.reclaimable === counted.dirty, 'a device counts its dirty pages', device.name)
    kassert(device.writeback === counted.writeback, 'a device counts its pages under writeback', device.name)
  }
}

function verifyLists(cache: PageCache): void {
  for (const zone of cache.phys.zones)
    for (const lru of [LRU_INACTIVE_FILE, LRU_ACTIVE_FILE]) {
      const pages = cache.frames.listPfns(cache.lru.list(zone.slot, lru))
      kassert(zone.stat[NR_INACTIVE_ANON + lru] === pages.length, 'a zone counts the pages of its lists', zone.name)
      for (const page of pages) {
        const f = cache.frames.frameOf(page)
        assertPage(cache, cache.has(f, PG_lru) && pageLru(cache, f) === lru, 'a page is on the list of its flags', f)
      }
    }
}
