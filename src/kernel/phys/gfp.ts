// What a caller asks of the allocator: the gfp word (physical specification, 1.13).

/** Request flags. The low four bits choose the zone; the others say what the allocator may do. */
export const __GFP_DMA = 0x01
export const __GFP_HIGHMEM = 0x02
export const __GFP_DMA32 = 0x04
export const __GFP_MOVABLE = 0x08
export const __GFP_WAIT = 0x10
export const __GFP_HIGH = 0x20
export const __GFP_IO = 0x40
export const __GFP_FS = 0x80
export const __GFP_COLD = 0x100
export const __GFP_NOWARN = 0x200
export const __GFP_REPEAT = 0x400
export const __GFP_NOFAIL = 0x800
export const __GFP_NORETRY = 0x1000
export const __GFP_MEMALLOC = 0x2000
export const __GFP_COMP = 0x4000
export const __GFP_ZERO = 0x8000
export const __GFP_NOMEMALLOC = 0x10000
export const __GFP_HARDWALL = 0x20000
export const __GFP_THISNODE = 0x40000
export const __GFP_RECLAIMABLE = 0x80000
export const __GFP_NOTRACK = 0x200000
export const __GFP_NO_KSWAPD = 0x400000
export const __GFP_OTHER_NODE = 0x800000
export const __GFP_WRITE = 0x1000000

export const GFP_NOWAIT = 0
export const GFP_ATOMIC = __GFP_HIGH
export const GFP_NOIO = __GFP_WAIT
export const GFP_NOFS = __GFP_WAIT | __GFP_IO
export const GFP_KERNEL = __GFP_WAIT | __GFP_IO | __GFP_FS
export const GFP_TEMPORARY = GFP_KERNEL | __GFP_RECLAIMABLE
export const GFP_USER = GFP_KERNEL | __GFP_HARDWALL
export const GFP_HIGHUSER = GFP_USER | __GFP_HIGHMEM
export const GFP_HIGHUSER_MOVABLE = GFP_HIGHUSER | __GFP_MOVABLE
export const GFP_TRANSHUGE =
  GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN | __GFP_NO_KSWAPD
export const GFP_THISNODE = __GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY
export const GFP_DMA = __GFP_DMA
export const GFP_DMA32 = __GFP_DMA32

export const GFP_ALL_BITS = 0x1ffffff
/** Until interrupts and scheduling are ready nothing may wait, start I/O or enter a file system. */
export const GFP_BOOT_MASK = GFP_ALL_BITS & ~(__GFP_WAIT | __GFP_IO | __GFP_FS)
export const GFP_ZONEMASK = 0x0f

// How a pass over the zonelist behaves (internal): the low two bits select the watermark.
export const WMARK_MIN = 0
export const WMARK_LOW = 1
export const WMARK_HIGH = 2
export const ALLOC_WMARK_MASK = 0x03
export const ALLOC_NO_WATERMARKS = 0x04
export const ALLOC_HARDER = 0x10
export const ALLOC_HIGH = 0x20
export const ALLOC_CPUSET = 0x40
export const ALLOC_CMA = 0x80
export const ALLOC_FAIR = 0x100

// Migrate types. The first three have per-CPU lists; RESERVE equals their number.
export const MIGRATE_UNMOVABLE = 0
export const MIGRATE_RECLAIMABLE = 1
export const MIGRATE_MOVABLE = 2
export const MIGRATE_PCPTYPES = 3
export const MIGRATE_RESERVE = 3
export const MIGRATE_CMA = 4
export const MIGRATE_ISOLATE = 5
export const MIGRATE_TYPES = 6
export const MIGRATE_NAMES = ['Unmovable', 'Reclaimable', 'Movable', 'Reserve', 'CMA', 'Isolate'] as const

/** The migrate type a request names: bit 1 movable, bit 0 reclaimable. Both together (3) is a caller's mistake. */
export function gfpMigrateType(gfp: number): number {
  return ((gfp & __GFP_MOVABLE) >>> 2) | ((gfp & __GFP_RECLAIMABLE) === 0 ? 0 : 1)
}

const COMBINATIONS: readonly (readonly [number, string])[] = [
  [GFP_TRANSHUGE, 'GFP_TRANSHUGE'],
  [GFP_HIGHUSER_MOVABLE, 'GFP_HIGHUSER_MOVABLE'],
  [GFP_HIGHUSER, 'GFP_HIGHUSER'],
  [GFP_USER, 'GFP_USER'],
  [GFP_TEMPORARY, 'GFP_TEMPORARY'],
  [GFP_KERNEL, 'GFP_KERNEL'],
  [GFP_NOFS, 'GFP_NOFS'],
  [GFP_ATOMIC, 'GFP_ATOMIC'],
  [GFP_NOIO, 'GFP_NOIO'],
  [__GFP_HIGH, 'GFP_HIGH'],
  [__GFP_WAIT, 'GFP_WAIT'],
  [__GFP_IO, 'GFP_IO'],
  [__GFP_FS, 'GFP_FS'],
  [__GFP_COLD, 'GFP_COLD'],
  [__GFP_NOWARN, 'GFP_NOWARN'],
  [__GFP_REPEAT, 'GFP_REPEAT'],
  [__GFP_NOFAIL, 'GFP_NOFAIL'],
  [__GFP_NORETRY, 'GFP_NORETRY'],
  [__GFP_COMP, 'GFP_COMP'],
  [__GFP_ZERO, 'GFP_ZERO'],
  [__GFP_NOMEMALLOC, 'GFP_NOMEMALLOC'],
  [__GFP_MEMALLOC, 'GFP_MEMALLOC'],
  [__GFP_HARDWALL, 'GFP_HARDWALL'],
  [__GFP_THISNODE, 'GFP_THISNODE'],
  [__GFP_RECLAIMABLE, 'GFP_RECLAIMABLE'],
  [__GFP_MOVABLE, 'GFP_MOVABLE'],
  [__GFP_NOTRACK, 'GFP_NOTRACK'],
  [__GFP_NO_KSWAPD, 'GFP_NO_KSWAPD'],
  [__GFP_OTHER_NODE, 'GFP_OTHER_NODE'],
  [__GFP_WRITE, 'GFP_WRITE'],
  [__GFP_DMA, 'GFP_DMA'],
  [__GFP_DMA32, 'GFP_DMA32'],
  [__GFP_HIGHMEM, 'GFP_HIGHMEM'],
]

/** The text of a gfp word in traces: longest combination first, left-over bits in hexadecimal. */
export function gfpText(gfp: number): string {
  if (gfp === 0) return 'GFP_NOWAIT'
  const words: string[] = []
  let rest = gfp
  for (const [bits, name] of COMBINATIONS) {
    if ((rest & bits) !== bits) continue
    words.push(name)
    rest &= ~bits
  }
  if (rest !== 0) words.push(`0x${rest.toString(16)}`)
  return words.join('|')
}
