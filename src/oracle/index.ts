/**
 * oracle: the commands of the differential oracle, carried out on this kernel, so that its answers can be held against
 * those of a real one.
 *
 *   OracleWorld ──► Guest ──► system calls and accesses       one world, one process or more
 *   Sequence ──► replay ──► Replay, Difference                what a real kernel has answered
 *
 * The protocol, and what the recordings were made with, is described in test/oracle/linux/README.md.
 *
 * Invariants:
 *  - the arena is the only free address space of a guest, and nothing merges across its edges;
 *  - the same commands have the same answers, whatever ran before in other worlds.
 *
 * Locks: none; a world is driven from outside, one command at a time.
 */
export { OracleWorld } from './world.ts'
export {
  comparable,
  describeDifference,
  isCompared,
  parseRecording,
  replay,
  type Difference,
  type Level,
  type Op,
  type Replay,
  type Sequence,
} from './recording.ts'
export { generate, PROFILE_NAMES } from './generate.ts'
export { shrink } from './shrink.ts'
