import { kassert, PAGE_SIZE } from '../../base/index.ts'
import {
  F_ACCESSED,
  F_DIRTY,
  F_GLOBAL,
  F_MANAGED,
  F_USER,
  F_WIRED,
  F_WRITE,
  LEVEL_BYTES,
  LEVEL_FRAMES,
} from '../../machine/index.ts'
import { PG_pagetable, PG_tail } from '../phys/index.ts'
import { ATTR_COUNTED_ANON, F_PROT, TABLE_SPAN } from './constants.ts'
import { findEntry } from './tables.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

/** Recomputes the invariants of the door; a broken one is a panic that names it. */
export function verify(room: Pmaps): void {
  let managed = 0
  for (const pmap of room.byId) if (pmap !== null) managed += verifyTables(pmap)
  verifyReverseMap(room, managed)
  verifyKernelHalf(room)
  verifyAsids(room)
  verifyTlbs(room)
}

/** Walks every table of a pmap; answers its managed leaves. */
function verifyTables(pmap: Pmap): number {
  const { room } = pmap
  const { format, memory, frames, reverse } = room
  let resident = 0
  let anon = 0
  let wired = 0
  let tables = 0
  let large = 0
  const half = format.entriesPerTable / 2
  const top = format.levels - 1
  const visit = (table: number, level: number, from: number, to: number, start: number): void => {
    tables++
    const f = frames.frameOf(table)
    kassert((frames.flags[f] & PG_pagetable) !== 0, 'a page table is marked as one', `pfn ${table}`)
    let used = 0
    for (let i = from; i < to; i++) {
      const word = (memory.frameOffset(table) >>> 2) + i * 2
      const lo = memory.i32[word]
      const hi = memory.i32[word + 1]
      if ((lo | hi) === 0) continue
      used++
      const va = start + (i - from) * LEVEL_BYTES[level]
      if (!format.isValid(lo, hi)) {
        kassert(level === 0, 'software entries and hidden leaves are of the lowest level', `address ${va}`)
        if (!format.isMapped(lo)) continue
      } else {
        kassert(!format.hasReservedBits(lo, hi, level), 'an entry is one the processor accepts', `address ${va}`)
        if (!format.isLeaf(lo, hi, level)) {
          visit(format.pfnOf(lo, hi), level - 1, 0, format.entriesPerTable, va)
          continue
        }
      }
      const flags = format.flagsOf(lo, hi, level)
      kassert((flags & F_DIRTY) === 0 || (flags & F_ACCESSED) !== 0, 'a dirty leaf is accessed', `address ${va}`)
      kassert((flags & F_USER) === 0 ? pmap.isKernel : !pmap.isKernel, 'user leaves are in user pmaps', `address ${va}`)
      if ((flags & F_WIRED) !== 0) wired++
      if ((flags & F_MANAGED) === 0) continue
      if (level > 0) verifyLarge(pmap, va)
      const first = frames.frameOf(format.pfnOf(lo, hi))
      for (let page = 0; page < LEVEL_FRAMES[level]; page++) {
        resident++
        if ((frames.attrs[first + page] & ATTR_COUNTED_ANON) !== 0) anon++
        const vpn = va / PAGE_SIZE + page
        let found = 0
        for (let e = reverse.head(first + page); e !== 0; e = reverse.next[e])
          if (reverse.pmapIdOf(e) === pmap.id && reverse.vpnOf(e) === vpn) found++
        kassert(found === 1, 'a managed leaf is in the reverse map once', `pmap ${pmap.id}, page ${vpn}: ${found}`)
      }
      if (level > 0) large++
    }
    kassert(
      frames.private[f] === used,
      'a table counts its entries',
      `pfn ${table}: ${frames.private[f]}, ${used} used`,
    )
    // Only a lowest table may wait for pages to come back.
    kassert(
      used > 0 || level === 0 || level === top || pmap.isKernel,
      'an empty user table is given back',
      `pfn ${table}`,
    )
  }
  if (pmap.isKernel) visit(pmap.root, top, half, format.entriesPerTable, -half * LEVEL_BYTES[top])
  else visit(pmap.root, top, 0, half, 0)
  kassert(
    pmap.residentCount === resident,
    'residentCount is right',
    `pmap ${pmap.id}: ${pmap.residentCount}, ${resident}`,
  )
  kassert(pmap.residentAnon === anon, 'residentAnon is right', `pmap ${pmap.id}: ${pmap.residentAnon}, ${anon}`)
  kassert(pmap.wiredCount === wired, 'wiredCount is right', `pmap ${pmap.id}: ${pmap.wiredCount}, ${wired}`)
  kassert(pmap.large.size === large, 'superpages are known', `pmap ${pmap.id}: ${pmap.large.size}, ${large}`)
  tables += large
  kassert(pmap.tablePages === tables, 'tablePages is right', `pmap ${pmap.id}: ${pmap.tablePages}, ${tables}`)
  return resident
}

/** The table that splitting a superpage will need is there and empty. */
function verifyLarge({ room: { frames }, large, id }: Pmap, va: number): void {
  const table = large.get(va / TABLE_SPAN)
  kassert(table !== undefined, 'a superpage of a user can be split', `pmap ${id}, address ${va}`)
  const f = frames.frameOf(table!)
  const isSpare = (frames.flags[f] & PG_pagetable) !== 0 && frames.private[f] === 0
  kassert(isSpare, 'a table held back is empty', `pmap ${id}, address ${va}`)
}

function verifyReverseMap(room: Pmaps, managed: number): void {
  const { frames, reverse } = room
  let entries = 0
  for (let f = 0; f < frames.count; f++) {
    if (reverse.head(f) === 0 && frames.mapcount[f] < 0) continue
    const length = reverse.lengthOf(f)
    entries += length
    kassert(frames.mapcount[f] + 1 === length, 'the map count is right', `frame ${f}: ${frames.mapcount[f]}, ${length}`)
    kassert(
      (frames.flags[f] & PG_tail) !== 0 || frames.refcount[f] >= length,
      'a mapping holds a reference',
      `frame ${f}`,
    )
  }
  // Every leaf has an entry, so equal numbers mean that every entry has a leaf.
  kassert(entries === managed && reverse.count === entries, 'the reverse map is right', `${entries}, ${managed} leaves`)
}

function verifyKernelHalf(room: Pmaps): void {
  const { memory, format, kernel } = room
  const words = format.entriesPerTable
  const from = (memory.frameOffset(kernel.root) >>> 2) + words
  for (const pmap of room.byId) {
    if (pmap === null) continue
    const to = (memory.frameOffset(pmap.root) >>> 2) + words
    for (let i = 0; i < words; i++) {
      // A of a table entry is each root's own on x86-64.
      const same = format.withTableAccessed(memory.i32[from + i]) === format.withTableAccessed(memory.i32[to + i])
      kassert(same || memory.i32[from + i] === memory.i32[to + i], 'the kernel half is shared', `pmap ${pmap.id}`)
    }
  }
}

function verifyAsids(room: Pmaps): void {
  room.cpus.forEach(({ asids, loaded }, id) => {
    let free = 0
    for (let asid = 1; asid <= asids.max; asid++) {
      if (asids.isUsed[asid] === 0) free++
      const owner = asids.owner[asid]
      if (owner === null) continue
      kassert(asids.isUsed[asid] === 1, 'an ASID with an owner is used', `cpu ${id}: ${asid}`)
      kassert(owner.asid[id] === asid, 'the owner of an ASID has it', `cpu ${id}: ${asid}`)
    }
    kassert(asids.free === free, 'free ASIDs are counted', `cpu ${id}: ${asids.free}, ${free}`)
    const bit = 1 << id
    for (const pmap of room.byId) {
      if (pmap === null || pmap.isKernel) continue
      const asid = pmap.asid[id]
      kassert(asid === 0 || asids.owner[asid] === pmap, 'a pmap owns its ASID', `cpu ${id}: ${asid}`)
      kassert((asid !== 0) === ((pmap.active & bit) !== 0), 'a pmap is active where it has an ASID', `cpu ${id}`)
      const isHere = ((pmap.onProc | pmap.lazy) & bit) !== 0
      kassert(!isHere || (loaded === pmap && asid !== 0), 'a pmap on the processor is loaded', `cpu ${id}`)
      kassert((pmap.onProc & pmap.lazy) === 0, 'a pmap is on the processor or lazy', `cpu ${id}`)
    }
  })
}

// Kernel translations are left out: kva keeps stale ones on purpose, until it flushes.
function verifyTlbs(room: Pmaps): void {
  const { format, memory, machine } = room
  for (const cpu of machine.cpus) {
    cpu.tlb.forEachEntry((vpn, level, pfn, flags, asid) => {
      const pmap = room.cpus[cpu.id].asids.owner[asid]
      if ((flags & F_GLOBAL) !== 0 || pmap === null) return
      const va = vpn * PAGE_SIZE
      if (room.cpus.some(({ mailbox }) => mailbox.covers(pmap, va))) return
      const word = findEntry(pmap, va)
      const lo = memory.i32[word]
      const hi = memory.i32[word + 1]
      const where = `cpu ${cpu.id}, pmap ${pmap.id}, address ${va}`
      kassert(room.level === level && format.isValid(lo, hi), 'a TLB holds what is mapped', where)
      kassert(format.pfnOf(lo, hi) === pfn, 'a TLB holds the frame that is mapped', where)
      const now = format.flagsOf(lo, hi, level)
      // A store through an entry without D walks again, and finds out whether it may write.
      const usable = (flags & F_DIRTY) === 0 ? flags & ~F_WRITE : flags
      kassert((usable & ~now & F_PROT) === 0, 'a TLB allows what is allowed', where)
      kassert((flags & ~now & (F_ACCESSED | F_DIRTY)) === 0 || (usable & F_WRITE) === 0, 'a store is noticed', where)
    })
  }
}
