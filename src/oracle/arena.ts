// The sealed world: the arena is the only free address space, as in the recordings. Bytes.
//
//   mapped, no access │ 64 KiB shared │ arena … heap … │ 64 KiB shared │ mapped, no access
//                                     ARENA  + HEAP     + SIZE

export const ARENA = 0x100000000000
export const SIZE = 0x2000000
/** Where the program break starts. */
export const HEAP = SIZE / 4
/** Shared memory at both edges, so that nothing merges across them. */
export const SHARED_EDGE = 0x10000
/** Of the recordings' x86-64. */
export const TASK_SIZE = 0x7ffffffff000
/** Entries outside the arena in the recordings, and here: they count towards max_map_count. */
export const OTHER_VMAS = 32
export const OUR_OTHERS = 4
/** Files that a process can name. */
export const SLOTS = 32
