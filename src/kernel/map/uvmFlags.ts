// The flag word of uvm_map(9):
//
//   31      28 27          16 15 14  12 11 10   8 7 6 5   4 3 2   0
//   [   0    |  UVM_FLAG_…   |0| advice |0| max  |0 0|inherit|0| prot ]

import { UVM_ADV_SEQUENTIAL } from './entry.ts'

export const UVM_PROT_NONE = 0
export const UVM_PROT_R = 1
export const UVM_PROT_W = 2
export const UVM_PROT_RW = 3
export const UVM_PROT_X = 4
export const UVM_PROT_RX = 5
export const UVM_PROT_WX = 6
export const UVM_PROT_RWX = 7
export const UVM_PROT_ALL = 7
export const UVM_PROT_MASK = 7
export const UVM_INH_SHARE = 0x00
export const UVM_INH_COPY = 0x10
export const UVM_INH_NONE = 0x20
export const UVM_INH_DONATE = 0x30
export const UVM_INH_MASK = 0x30
export const UVM_ADV_WILLNEED = 3
export const UVM_ADV_DONTNEED = 4
export const UVM_ADV_NOREUSE = 5
export const UVM_ADV_MASK = 7

/** The target address is mandatory. */
export const UVM_FLAG_FIXED = 0x00010000
/** An empty amap now. */
export const UVM_FLAG_OVERLAY = 0x00020000
/** Neither this call nor a later one merges the entry. */
export const UVM_FLAG_NOMERGE = 0x00040000
export const UVM_FLAG_COPYONW = 0x00080000
/** Spare amap slots with OVERLAY; amaps here are sparse, so nothing has to be set aside. */
export const UVM_FLAG_AMAPPAD = 0x00100000
/** EAGAIN instead of waiting for the map lock. */
export const UVM_FLAG_TRYLOCK = 0x00200000
/** ENOMEM instead of waiting for memory. */
export const UVM_FLAG_NOWAIT = 0x00400000
/** Wait until there is address space. */
export const UVM_FLAG_WAITVA = 0x00800000
/** Kernel maps: an entry that is never split. */
export const UVM_FLAG_QUANTUM = 0x01000000
/** Unmapping: nothing is mapped or owned in the range. */
export const UVM_FLAG_VAONLY = 0x02000000
/** `align` is a page colour. */
export const UVM_FLAG_COLORMATCH = 0x04000000
/** With FIXED: what is mapped there is replaced. */
export const UVM_FLAG_UNMAP = 0x08000000

/** The offset of "no particular offset". */
export const UVM_UNKNOWN_OFFSET = -1

/**
 * Assembles a flag word.
 *
 * @param inherit  UVM_INH_…, already shifted
 * @param advice   0 … 7, not shifted
 */
export function uvmMapflag(prot: number, maxprot: number, inherit: number, advice: number, flags: number): number {
  return prot | (maxprot << 8) | inherit | (advice << 12) | flags
}
export const uvmProtection = (flags: number): number => flags & UVM_PROT_MASK
/** 0 … 3: the codes of minherit(2). */
export const uvmInherit = (flags: number): number => (flags & UVM_INH_MASK) >> 4
export const uvmMaxprotection = (flags: number): number => (flags >> 8) & UVM_PROT_MASK
export const uvmAdvice = (flags: number): number => (flags >> 12) & UVM_ADV_MASK

/** An entry's advice is NORMAL, RANDOM or SEQUENTIAL. */
export const isEntryAdvice = (advice: number): boolean => advice >= 0 && advice <= UVM_ADV_SEQUENTIAL
