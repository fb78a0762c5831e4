// The flags word of a frame.
//
//   31   30                                         22       15 14                     0
//   [   ][ ours: anon released waiters …      ][ Linux's page state, one bit each ]

export const PG_locked = 1 << 0 // UVM's BUSY
export const PG_error = 1 << 1
export const PG_referenced = 1 << 2
export const PG_uptodate = 1 << 3 // clear: UVM's FAKE
export const PG_dirty = 1 << 4
export const PG_lru = 1 << 5
export const PG_active = 1 << 6
export const PG_slab = 1 << 7
export const PG_owner_priv_1 = 1 << 8
export const PG_arch_1 = 1 << 9
export const PG_reserved = 1 << 10
export const PG_private = 1 << 11
export const PG_private_2 = 1 << 12
export const PG_writeback = 1 << 13
export const PG_head = 1 << 14
export const PG_tail = 1 << 15
export const PG_swapcache = 1 << 16
export const PG_mappedtodisk = 1 << 17
export const PG_reclaim = 1 << 18
/** The same bit as PG_reclaim; which one it is depends on PG_writeback. */
export const PG_readahead = PG_reclaim
export const PG_swapbacked = 1 << 19
export const PG_unevictable = 1 << 20
export const PG_mlocked = 1 << 21
export const PG_hwpoison = 1 << 22
/** The owner is an anon, not an object. */
export const PG_anon = 1 << 23
/** UVM's RELEASED: freed while locked; whoever unlocks it frees it. */
export const PG_released = 1 << 24
/** UVM's WANTED: somebody sleeps for the page lock or the end of writeback. */
export const PG_waiters = 1 << 25
/** Holds page-table entries. */
export const PG_pagetable = 1 << 26
/** Was allocated below the watermarks (the manual's page.pfmemalloc). */
export const PG_pfmemalloc = 1 << 27
/** Debug guard page: kept off the free lists after a split, merges like a free block. */
export const PG_guard = 1 << 28
/** On a queue of the page-replacement policy, which hears of it when the page is freed. */
export const PG_queued = 1 << 29
/** Of an anon: its bytes need not be kept unless they are written to again (MADV_FREE). */
export const PG_lazyfree = 1 << 30

const NAMES = [
  'locked',
  'error',
  'referenced',
  'uptodate',
  'dirty',
  'lru',
  'active',
  'slab',
  'owner_priv_1',
  'arch_1',
  'reserved',
  'private',
  'private_2',
  'writeback',
  'head',
  'tail',
  'swapcache',
  'mappedtodisk',
  'reclaim',
  'swapbacked',
  'unevictable',
  'mlocked',
  'hwpoison',
  'anon',
  'released',
  'waiters',
  'pagetable',
  'pfmemalloc',
  'guard',
  'queued',
  'lazyfree',
] as const

/** A page with one of these is still somebody's: freeing it is a bad page. */
export const PAGE_FLAGS_CHECK_AT_FREE =
  PG_lru |
  PG_locked |
  PG_private |
  PG_private_2 |
  PG_writeback |
  PG_reserved |
  PG_slab |
  PG_swapcache |
  PG_active |
  PG_unevictable |
  PG_mlocked |
  PG_hwpoison |
  PG_pagetable

/** `pageFlagsText(3)` is "locked|error". */
export function pageFlagsText(flags: number): string {
  const words: string[] = []
  for (let bit = 0; bit < NAMES.length; bit++) if ((flags & (1 << bit)) !== 0) words.push(NAMES[bit]!)
  return words.join('|')
}
