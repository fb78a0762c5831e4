// The two canonical machines of the specification (0.1): CFG64 is x86-64 like, CFG32 is i386 PAE like.

export const MAX_ORDER = 11
export const MAX_ORDER_NR_PAGES = 1024
export const MAX_NR_ZONES = 4
export const ZONE_MOVABLE = 3
export const SWAP_CLUSTER_MAX = 32
export const COMPACT_CLUSTER_MAX = 32
export const PAGE_ALLOC_COSTLY_ORDER = 3
export const SMP_CACHE_BYTES = 64
export const LOCAL_DISTANCE = 10
export const REMOTE_DISTANCE = 20
export const RECLAIM_DISTANCE = 30
/** Default address of physical 0 in the kernel half (Linux RISC-V, Sv48: 0xffffaf8000000000). */
export const DIRECT_MAP_BASE = -0x508000000000

export interface Configuration {
  readonly name: 'cfg64' | 'cfg32'
  readonly bitsPerLong: 64 | 32
  readonly zoneNames: readonly [string, string, string, string]
  /** Words of the pgalloc_* counters. */
  readonly zoneWords: readonly [string, string, string, string]
  readonly zoneNormal: number
  /** Index of the zone without kernel addresses, -1 if there is none. */
  readonly zoneHighmem: number
  readonly maxNumNodes: number
  /** log2 of the pages of a section; the flat map of CFG32 is made of sections of one largest block. */
  readonly sectionShift: number
  readonly isSparse: boolean
  readonly maxPhysmemBits: number
  /** Size of one page descriptor, for the boot estimate of the descriptor array. */
  readonly descriptorBytes: number
  /** Zone index by the low four bits of the gfp word; -1: these zone bits exclude each other. */
  readonly gfpZone: Int8Array
  readonly lowmemReserveRatio: readonly [number, number, number]
  readonly zonelistOrder: 'node' | 'zone'
}

//                     -  DMA  HI  --  32  --  --  --  MV  M+D M+H --  M+32 --  --  --
const GFP_ZONE64 = Int8Array.of(2, 0, 2, -1, 1, -1, -1, -1, 2, 0, 3, -1, 1, -1, -1, -1)
const GFP_ZONE32 = Int8Array.of(1, 0, 2, -1, 1, -1, -1, -1, 1, 0, 3, -1, 1, -1, -1, -1)

export const CFG64: Configuration = {
  name: 'cfg64',
  bitsPerLong: 64,
  zoneNames: ['DMA', 'DMA32', 'Normal', 'Movable'],
  zoneWords: ['dma', 'dma32', 'normal', 'movable'],
  zoneNormal: 2,
  zoneHighmem: -1,
  maxNumNodes: 64,
  sectionShift: 15,
  isSparse: true,
  maxPhysmemBits: 46,
  descriptorBytes: 64,
  gfpZone: GFP_ZONE64,
  lowmemReserveRatio: [256, 256, 32],
  zonelistOrder: 'node',
}

export const CFG32: Configuration = {
  name: 'cfg32',
  bitsPerLong: 32,
  zoneNames: ['DMA', 'Normal', 'HighMem', 'Movable'],
  zoneWords: ['dma', 'normal', 'high', 'movable'],
  zoneNormal: 1,
  zoneHighmem: 2,
  maxNumNodes: 1,
  sectionShift: 10,
  isSparse: false,
  maxPhysmemBits: 36,
  descriptorBytes: 32,
  gfpZone: GFP_ZONE32,
  lowmemReserveRatio: [256, 32, 32],
  zonelistOrder: 'zone',
}
