// What the kernel's page tables hold from the start: the direct map, and the tables of the quick frames.

import { kassert, PAGE_SHIFT, PAGE_SIZE, panic } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, F_GLOBAL, F_READ, F_VALID, F_WRITE, LEVEL_BYTES } from '../../machine/index.ts'
import { ensureEntry } from './tables.ts'
import type { Pmaps } from './pmaps.ts'

/** A kernel mapping that never needs a fault: what the hardware would set is set. */
export const KERNEL_DATA = F_VALID | F_READ | F_WRITE | F_GLOBAL | F_ACCESSED | F_DIRTY

/** Maps all RAM below directMapLimit at directMapStart, with the largest leaves that fit. */
export function mapDirectWindow(room: Pmaps): void {
  for (const { start, end } of room.memory.ranges) {
    const to = Math.min(end, room.directMapLimit)
    for (let pa = start; pa < to;) {
      let level = Math.min(2, room.format.maxLeafLevel)
      while (pa % LEVEL_BYTES[level] !== 0 || to - pa < LEVEL_BYTES[level]) level--
      enterLeaf(room, room.directMapStart + pa, pa / PAGE_SIZE, level)
      pa += LEVEL_BYTES[level]
    }
  }
}

function enterLeaf(room: Pmaps, va: number, pfn: number, level: number): void {
  const word = ensureEntry(room.kernel, va, level)
  if (word < 0) panic('there is memory for the kernel page tables')
  const { format, memory } = room
  format.encodeLeaf(pfn, KERNEL_DATA, level)
  memory.i32[word] = format.lo
  memory.i32[word + 1] = format.hi
  room.frames.private[room.tableFrame]++
}

/** Gives each CPU its page of the quick window: pages two apart, so that running over one faults. */
export function prepareQuickFrames(room: Pmaps): void {
  const { start, end } = room.layout.quickFrames
  room.cpus.forEach((state, id) => {
    state.quickVa = start + id * 2 * PAGE_SIZE
    kassert(state.quickVa < end, 'every CPU has a quick frame', `${id} of ${2 ** PAGE_SHIFT}`)
    state.quickWord = ensureEntry(room.kernel, state.quickVa)
    if (state.quickWord < 0) panic('there is memory for the kernel page tables')
  })
}
