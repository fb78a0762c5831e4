// The flags of uvm_km_alloc.
//
//   bit  5       4       3         2         1           0
//   [ exec ][ zero ][ canfail ][ vaonly ][ pageable ][ wired ]     above: flags of uvm_map

import { UVM_FLAG_COLORMATCH, UVM_FLAG_NOWAIT, UVM_FLAG_TRYLOCK, UVM_FLAG_WAITVA } from '../map/index.ts'

/** Frames at once, without an owner, that stay. */
export const UVM_KMF_WIRED = 0x01
/** Frames when touched, of the kernel object. */
export const UVM_KMF_PAGEABLE = 0x02
/** Addresses alone; what is mapped there is the caller's. */
export const UVM_KMF_VAONLY = 0x04
export const UVM_KMF_TYPEMASK = 0x07
/** Give up where nothing can be reclaimed. */
export const UVM_KMF_CANFAIL = 0x08
/** Zeros; WIRED only. */
export const UVM_KMF_ZERO = 0x10
/** Executable. */
export const UVM_KMF_EXEC = 0x20
export const UVM_KMF_TRYLOCK = UVM_FLAG_TRYLOCK
export const UVM_KMF_NOWAIT = UVM_FLAG_NOWAIT
export const UVM_KMF_WAITVA = UVM_FLAG_WAITVA
export const UVM_KMF_COLORMATCH = UVM_FLAG_COLORMATCH
export const UVM_KMF_MAPFLAGS = UVM_FLAG_TRYLOCK | UVM_FLAG_NOWAIT | UVM_FLAG_WAITVA | UVM_FLAG_COLORMATCH

export function isKmType(type: number): boolean {
  return type === UVM_KMF_WIRED || type === UVM_KMF_PAGEABLE || type === UVM_KMF_VAONLY
}
