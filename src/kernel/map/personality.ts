// Where the kernels differ visibly they differ here and nowhere else (DESIGN.md, section 2). No code outside these
// members asks which one it is.

import { ENOMEM, type Err } from '../../base/index.ts'
import { type Amap, UVM_AMAP_LARGE } from '../anon/index.ts'
import type { VmMapEntry } from './entry.ts'
import { samePolicy } from './policy.ts'

export interface Personality {
  readonly name: 'linux' | 'netbsd'
  /** May two adjacent entries become one, where the second is new or just changed? */
  canMerge(left: VmMapEntry, right: VmMapEntry): boolean
  /** Fork gives the child write-protected copies of the parent's present translations, or none. */
  readonly forkPtes: 'copy' | 'none'
  /** A read of untouched private memory maps the zero page and makes no amap, or makes a private page. */
  readonly zeroRead: 'zero page' | 'private page'
  /** Neighbours mapped with an anon: pages back and forward, by advice NORMAL, RANDOM, SEQUENTIAL. */
  readonly anonWindow: readonly (readonly [number, number])[]
  /** Neighbours mapped with a resident object page: by advice, or the aligned window of so many pages. */
  readonly objectWindow: readonly (readonly [number, number])[] | number
  /** A write fault maps neighbours too. */
  readonly windowOnWrite: boolean
  /** Truncation drops private copies beyond the new end. */
  readonly truncatePrivateCopies: boolean
  /** Entries of so many pages or more get their amap in chunks of 16 slots; Infinity for never. */
  readonly chunkEntries: number
  /** The first touch of an entry lets a neighbour with an amap take it in (uvm specification 2.6.3). */
  readonly absorbOnTouch: boolean
  /** mlock is an entry flag, or wires pages. */
  readonly mlock: 'flag' | 'wiring'
  /** Running out of memory calls the killer, or answers this error. */
  readonly outOfMemory: 'killer' | Err
}

/** Everything equal but the place, and the places continuous. */
function sameBut(left: VmMapEntry, right: VmMapEntry): boolean {
  return (
    left.end === right.start &&
    left.object === right.object &&
    left.protection === right.protection &&
    left.maxProtection === right.maxProtection &&
    left.inheritance === right.inheritance &&
    left.advice === right.advice &&
    left.isCow === right.isCow &&
    left.wiredCount === 0 &&
    right.wiredCount === 0 &&
    !left.noMerge &&
    !right.noMerge &&
    left.isQuantum === right.isQuantum &&
    (left.object === null || left.offset + left.pageCount === right.offset)
  )
}

/** Linux specification 1.2: groups are compatible if equal, or if only one side has one and it is no fork child's. */
export function groupsCompatible(a: VmMapEntry, b: VmMapEntry): boolean {
  if (a.anonGroup === b.anonGroup) return true
  if (a.anonGroup !== null && b.anonGroup !== null) return false
  return !(a.anonGroup !== null ? a : b).isForkChild
}

/** UVM extends an amap only while one entry names it, and never to 256 slots or more that it does not have yet. */
function isExtendable(amap: Amap | null, slots: number): boolean {
  return amap === null || (amap.refs === 1 && (slots < UVM_AMAP_LARGE || slots <= amap.slotCount))
}

/** VM_MAYGUARD and VM_MAYPOISON: sticky, and no hindrance. */
const STICKY = (1 << 17) | (1 << 24)
export const linux: Personality = {
  name: 'linux',
  canMerge: (left, right) =>
    sameBut(left, right) &&
    (left.vmFlags & ~STICKY) === (right.vmFlags & ~STICKY) &&
    left.file === right.file &&
    left.listener === right.listener &&
    samePolicy(left.policy, right.policy) &&
    (left.object !== null || left.anonPgoff + left.pageCount === right.anonPgoff) &&
    groupsCompatible(left, right),
  forkPtes: 'copy',
  zeroRead: 'zero page',
  anonWindow: [
    [0, 0],
    [0, 0],
    [0, 0],
  ],
  objectWindow: 16,
  windowOnWrite: false,
  truncatePrivateCopies: true,
  chunkEntries: Infinity,
  absorbOnTouch: false,
  mlock: 'flag',
  outOfMemory: 'killer',
}

export const netbsd: Personality = {
  name: 'netbsd',
  canMerge: (left, right) =>
    sameBut(left, right) &&
    left.needsCopy === right.needsCopy &&
    !(left.amap !== null && right.amap !== null) &&
    isExtendable(left.amap, left.pageCount + right.pageCount) &&
    isExtendable(right.amap, left.pageCount + right.pageCount),
  forkPtes: 'none',
  zeroRead: 'private page',
  anonWindow: [
    [3, 4],
    [0, 0],
    [8, 7],
  ],
  objectWindow: [
    [3, 4],
    [0, 0],
    [8, 7],
  ],
  windowOnWrite: true,
  truncatePrivateCopies: false,
  chunkEntries: UVM_AMAP_LARGE,
  absorbOnTouch: true,
  mlock: 'wiring',
  outOfMemory: ENOMEM,
}
