// Request flags, specification 1.13. The numbers are the era's; scenarios K2-K4 read them back.

export const __GFP_DMA = 0x01
export const __GFP_HIGHMEM = 0x02
export const __GFP_DMA32 = 0x04
export const __GFP_MOVABLE = 0x08
export const __GFP_WAIT = 0x10
export const __GFP_HIGH = 0x20
export const __GFP_IO = 0x40
export const __GFP_FS = 0x80
export const __GFP_NOWARN = 0x200
export const __GFP_NORETRY = 0x1000
export const __GFP_ZERO = 0x8000
export const __GFP_NOMEMALLOC = 0x10000
export const __GFP_RECLAIMABLE = 0x80000

export const GFP_NOWAIT = 0
export const GFP_ATOMIC = __GFP_HIGH
export const GFP_KERNEL = __GFP_WAIT | __GFP_IO | __GFP_FS
