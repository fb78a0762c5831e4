/**
 * rv64: the processor that runs guest programs. RV64GC in user mode: I, M, A, F, D, C, Zicsr, Zifencei. It knows no
 * kernel: whatever a program cannot do by itself stops the hart, and whoever called `run` decides.
 *
 *   Hart.run ──► DecodeCache    slots of decoded instructions, by frame; shared by the harts of a machine
 *      │  └────► Registers      x, f, fcsr, pc of the thread; swapped by setContext
 *      └───────► Mmu            every fetch page, load and store; misaligned accesses are carried out
 *
 * Invariants
 *  - An instruction happens wholly or not at all. After a stop pc stands on the one that did not, `stval` names the
 *    first byte that could not be reached, and no register, memory byte or flag has changed.
 *  - `instructions` counts the retired ones exactly; run(n) retires at most n.
 *  - Registers.x[0] and x[1] are 0. Writes to x0 go to the sink.
 *  - A jump or step into another page looks at the fetch tag of the TLB, and so does a jump inside the page once
 *    anything may have changed the TLB: remapping, eviction and staleness are what the MMU says they are.
 *  - A store by any hart is seen by the next fetch of those bytes. Whoever else writes a frame that may hold code (a
 *    page read from a file, a frame used anew) calls cache.invalidateFrame; cache.codeFrames says whether it matters.
 *  - A reservation is lost at every stop but STOP_BUDGET, by setContext, and when another hart has run.
 *
 * Numbers above 2^53 occur only as non-canonical addresses: pc and stval are then rounded, and fault in any case.
 *
 * Locks: none.
 */
export { Hart, type HartOptions } from './hart.ts'
export { DecodeCache } from './decodeCache.ts'
export { FLAG_DZ, FLAG_NV, FLAG_NX, FLAG_OF, FLAG_UF, Registers } from './registers.ts'
export * from './stop.ts'
export { OP, OP_NAMES, type OpName } from './ops.ts'
export { decode, type Decoded } from './decode.ts'
