// What cannot be: the specified error, or a panic where the caller is the kernel itself, and nothing has changed.

import { describe, expect, it } from 'vitest'
import { EACCES, EFAULT, EINVAL, ENOMEM, type Err, isErr, KernelPanic, PAGE_SIZE } from '../../src/base/index.ts'
import { uvmMapPageable, uvmMapPageableAll } from '../../src/kernel/fault/index.ts'
import {
  linux,
  madviseRegion,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  mlockRegion,
  mmapRegion,
  mprotectRegion,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  mremapRegion,
  munmapRegion,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_NOWAIT,
  UVM_FLAG_QUANTUM,
  UVM_FLAG_UNMAP,
  UVM_FLAG_WAITVA,
  UVM_INH_COPY,
  UVM_INH_DONATE,
  UVM_UNKNOWN_OFFSET,
  uvmDeallocate,
  uvmMap,
  uvmMapAdvice,
  uvmMapCheckprot,
  uvmMapflag,
  uvmMapInherit,
  uvmMapProtect,
  uvmUnmap,
  type VmMap,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'
import { at, now, UvmWorld } from './world.ts'

const PANIC = 'panic'
const WHOLE = 2 ** 64
const MAX = 0x7fff0000

/** Everything about a space that a program or another part of the kernel could notice. */
function picture(u: UvmWorld, space: VmSpace): object {
  const entries = [...space.map.entries()].map((e) => [e.start, e.end, e.vmFlags, e.anonPgoff, e.noMerge])
  return {
    list: u.list(space),
    entries,
    size: space.map.size,
    translations: u.translations(-16, 40, space),
    wired: [u.vm.wiredPages, space.pmap.wiredCount],
    free: freeCount(u.phys),
    anons: [u.vm.anons.count, u.vm.anons.residentPages, u.vm.chunks.count],
    isLocked: space.map.lock.writer !== null,
    future: space.map.wireFuture,
  }
}
function outcome(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    if (error instanceof KernelPanic) return PANIC
    throw error
  }
}

/** Pages 0-5 rw-/rwx, a hole of two, 8-11 r--/r--, 12-13 without access, 14-15 wired. */
function uvm(): { u: UvmWorld; map: VmMap } {
  const u = new UvmWorld()
  u.map(0, 6)
  u.W(1, 'a')
  u.map(8, 4, { prot: 'r--', max: 'r--' })
  u.map(12, 2, { prot: '---' })
  u.map(14, 2)
  u.wire(14, 16)
  return { u, map: u.vm0.map }
}
const flags = (more: number, prot = 3, max = 7, advice = 0, inherit = UVM_INH_COPY): number =>
  uvmMapflag(prot, max, inherit, advice, UVM_FLAG_COPYONW | more)
const map = (m: VmMap, start: number, size: number, align: number, f: number): number | Err =>
  now(uvmMap(m, start, size, null, UVM_UNKNOWN_OFFSET, align, f))
const { FIXED, UNMAP } = { FIXED: UVM_FLAG_FIXED, UNMAP: UVM_FLAG_FIXED | UVM_FLAG_UNMAP }

const uvmCases: [what: string, call: (m: VmMap) => unknown, expected: unknown][] = [
  ['uvm_map: empty', (m) => map(m, at(20), 0, 0, flags(FIXED)), PANIC],
  ['uvm_map: size not of pages', (m) => map(m, at(20), 100, 0, flags(FIXED)), PANIC],
  ['uvm_map: negative size', (m) => map(m, at(20), -PAGE_SIZE, 0, flags(FIXED)), PANIC],
  ['uvm_map: start not at a page', (m) => map(m, at(20) + 1, PAGE_SIZE, 0, flags(FIXED)), PANIC],
  ['uvm_map: alignment no power of two', (m) => map(m, at(20), PAGE_SIZE, 3 * PAGE_SIZE, flags(0)), PANIC],
  ['uvm_map: UNMAP without FIXED', (m) => map(m, at(20), PAGE_SIZE, 0, flags(UVM_FLAG_UNMAP)), PANIC],
  ['uvm_map: UNMAP with NOWAIT', (m) => map(m, at(20), PAGE_SIZE, 0, flags(UNMAP | UVM_FLAG_NOWAIT)), PANIC],
  ['uvm_map: NOWAIT with WAITVA', (m) => map(m, at(20), PAGE_SIZE, 0, flags(UVM_FLAG_NOWAIT | UVM_FLAG_WAITVA)), PANIC],
  ['uvm_map: QUANTUM in a user map', (m) => map(m, at(20), PAGE_SIZE, 0, flags(UVM_FLAG_QUANTUM)), PANIC],
  ['uvm_map: beyond the maximum', (m) => map(m, at(20), PAGE_SIZE, 0, flags(FIXED, 3, 1)), EACCES],
  ['uvm_map: at address 0', (m) => map(m, 0, PAGE_SIZE, 0, flags(FIXED)), EACCES],
  ['uvm_map: unknown advice', (m) => map(m, at(20), PAGE_SIZE, 0, flags(FIXED, 3, 7, 6)), EINVAL],
  ['uvm_map: inheritance donate', (m) => map(m, at(20), PAGE_SIZE, 0, flags(FIXED, 3, 7, 0, UVM_INH_DONATE)), EINVAL],
  ['uvm_map: occupied', (m) => map(m, at(4), 4 * PAGE_SIZE, 0, flags(FIXED)), ENOMEM],
  ['uvm_map: below the map', (m) => map(m, 0x1000, PAGE_SIZE, 0, flags(FIXED)), ENOMEM],
  ['uvm_map: across the end', (m) => map(m, MAX - PAGE_SIZE, 2 * PAGE_SIZE, 0, flags(FIXED)), ENOMEM],
  ['uvm_map: across the end, UNMAP', (m) => map(m, MAX - PAGE_SIZE, 2 * PAGE_SIZE, 0, flags(UNMAP)), ENOMEM],
  ['uvm_map: wrapping', (m) => map(m, at(20), WHOLE - at(20), 0, flags(FIXED)), ENOMEM],
  ['uvm_map: wrapping, UNMAP', (m) => map(m, at(0), WHOLE - at(0), 0, flags(UNMAP)), ENOMEM],
  ['uvm_map: larger than the map', (m) => map(m, at(0), 2 ** 40, 0, flags(0)), ENOMEM],
  ['uvm_unmap: start not at a page', (m) => now(uvmUnmap(m, at(1) + 8, at(2))), PANIC],
  ['uvm_unmap: end not at a page', (m) => now(uvmUnmap(m, at(1), at(2) + 8)), PANIC],
  ['uvm_unmap: empty', (m) => now(uvmUnmap(m, at(2), at(2))), undefined],
  ['uvm_unmap: backwards', (m) => now(uvmUnmap(m, at(4), at(1))), undefined],
  ['uvm_unmap: outside', (m) => now(uvmUnmap(m, MAX, MAX + at(4))), undefined],
  ['uvm_deallocate: empty', (m) => now(uvmDeallocate(m, at(1) + 8, 0)), 0],
  ['uvm_map_protect: not at pages', (m) => now(uvmMapProtect(m, at(1) + 8, at(2), 1, false)), PANIC],
  ['uvm_map_protect: empty', (m) => now(uvmMapProtect(m, at(2), at(2), 1, false)), 0],
  ['uvm_map_protect: beyond the maximum', (m) => now(uvmMapProtect(m, at(8), at(9), 3, false)), EACCES],
  ['uvm_map_protect: the last beyond', (m) => now(uvmMapProtect(m, at(2), at(10), 3, false)), EACCES],
  ['uvm_map_protect: a maximum beyond', (m) => now(uvmMapProtect(m, at(2), at(10), 7, true)), EACCES],
  ['uvm_map_inherit: not at pages', (m) => now(uvmMapInherit(m, at(1), at(2) + 8, 0)), PANIC],
  ...[3, 5, -1, 666].map((inherit): [string, (m: VmMap) => unknown, unknown] => [
    `uvm_map_inherit: ${inherit}`,
    (m) => now(uvmMapInherit(m, at(1), at(2), inherit)),
    EINVAL,
  ]),
  ['uvm_map_inherit: empty', (m) => now(uvmMapInherit(m, at(2), at(2), 0)), 0],
  ['uvm_map_advice: not at pages', (m) => now(uvmMapAdvice(m, at(1) + 8, at(2), 1)), PANIC],
  ...[3, 4, 7, -1].map((advice): [string, (m: VmMap) => unknown, unknown] => [
    `uvm_map_advice: ${advice}`,
    (m) => now(uvmMapAdvice(m, at(1), at(2), advice)),
    EINVAL,
  ]),
  ['uvm_map_advice: empty', (m) => now(uvmMapAdvice(m, at(2), at(2), 1)), 0],
  ['uvm_map_pageable: not at pages', (m) => now(uvmMapPageable(m, at(1), at(2) + 8, false, 0)), PANIC],
  ['uvm_map_pageable: empty', (m) => now(uvmMapPageable(m, at(2), at(2), false, 0)), 0],
  ['uvm_map_pageable: a hole first', (m) => now(uvmMapPageable(m, at(6), at(9), false, 0)), EFAULT],
  ['uvm_map_pageable: unwire a hole', (m) => now(uvmMapPageable(m, at(7), at(9), true, 0)), EFAULT],
  ['uvm_map_pageable: unwire what is not', (m) => now(uvmMapPageable(m, at(0), at(2), true, 0)), EINVAL],
  ['uvm_map_pageable: outside', (m) => now(uvmMapPageable(m, MAX, MAX + at(1), false, 0)), 0],
  ['uvm_map_pageable_all: above the limit', (m) => now(uvmMapPageableAll(m, 1, PAGE_SIZE)), ENOMEM],
  ['uvm_map_checkprot: a hole', (m) => uvmMapCheckprot(m, at(4), at(9), 0), false],
  ['uvm_map_checkprot: outside', (m) => uvmMapCheckprot(m, MAX, MAX + PAGE_SIZE, 0), false],
]

describe('uvm_map(9) given what cannot be', () => {
  it.each(uvmCases)('%s', (_what, call, expected) => {
    const { u, map } = uvm()
    const before = picture(u, u.vm0)
    expect(outcome(() => call(map))).toBe(expected)
    expect(picture(u, u.vm0)).toEqual(before)
    u.check()
  })
  it('wires nothing across a hole, nor memory without access: entries may be split, no page is wired', () => {
    for (const [s, e] of [
      [2, 10],
      [10, 14],
      [4, 40],
    ]) {
      const { u, map } = uvm()
      const wirings = (): unknown[] => [...map.entries()].flatMap((e) => Array(e.pageCount).fill(e.wiredCount))
      const before = { wirings: wirings(), wired: u.vm.wiredPages, tables: u.vm0.pmap.wiredCount, size: map.size }
      expect(now(uvmMapPageable(map, at(s!), at(e!), false, 0))).toBe(EINVAL)
      expect({ wirings: wirings(), wired: u.vm.wiredPages, tables: u.vm0.pmap.wiredCount, size: map.size }).toEqual(
        before,
      )
      u.check()
    }
  })
})

const MAYMOVE = MREMAP_MAYMOVE
const anonymous = (space: VmSpace, addr: number, length: number, prot: number, more: number): number | Err => {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | more
  return now(mmapRegion(space, { addr, length, prot, flags, object: null, file: null, pgoff: 0 }))
}
const linuxCases: [what: string, call: (s: VmSpace) => unknown, expected: unknown][] = [
  ['mmap: empty', (s) => anonymous(s, at(20), 0, 3, MAP_FIXED), EINVAL],
  ['mmap: not at a page', (s) => anonymous(s, at(20) + 1, PAGE_SIZE, 3, MAP_FIXED), EINVAL],
  ['mmap: wrapping', (s) => anonymous(s, at(20), WHOLE - at(10), 3, MAP_FIXED), ENOMEM],
  ['mmap: larger than the address space', (s) => anonymous(s, 0, 2 ** 47, 3, 0), ENOMEM],
  ['mmap: outside', (s) => anonymous(s, 2 ** 38, PAGE_SIZE, 3, MAP_FIXED), ENOMEM],
  ['mmap: occupied, not to be replaced', (s) => anonymous(s, at(4), PAGE_SIZE, 3, MAP_FIXED_NOREPLACE), -17],
  ['munmap: empty', (s) => now(munmapRegion(s, at(1), 0)), EINVAL],
  ['munmap: not at a page', (s) => now(munmapRegion(s, at(1) + 1, PAGE_SIZE)), EINVAL],
  ['munmap: wrapping', (s) => now(munmapRegion(s, at(1), WHOLE - PAGE_SIZE)), EINVAL],
  ['munmap: outside', (s) => now(munmapRegion(s, 2 ** 38, PAGE_SIZE)), EINVAL],
  ['mprotect: not at a page', (s) => now(mprotectRegion(s, at(1) + 1, PAGE_SIZE, 1)), EINVAL],
  ['mprotect: unknown bits', (s) => now(mprotectRegion(s, at(1), PAGE_SIZE, 0x100)), EINVAL],
  ['mprotect: a hole first', (s) => now(mprotectRegion(s, at(6), 4 * PAGE_SIZE, 1)), ENOMEM],
  ['mprotect: wrapping', (s) => now(mprotectRegion(s, at(1), WHOLE - PAGE_SIZE, 1)), ENOMEM],
  ['mprotect: empty', (s) => now(mprotectRegion(s, at(1), 0, 1)), 0],
  ['madvise: unknown', (s) => now(madviseRegion(s, at(1), PAGE_SIZE, 77)), EINVAL],
  ['madvise: not at a page', (s) => now(madviseRegion(s, at(1) + 1, PAGE_SIZE, 4)), EINVAL],
  ['madvise: a hole', (s) => now(madviseRegion(s, at(6), 2 * PAGE_SIZE, 4)), ENOMEM],
  ['mlock: a hole first', (s) => now(mlockRegion(s, at(6), PAGE_SIZE, false)), ENOMEM],
  ['mlock: above the limit', (s) => now(mlockRegion(s, at(0), 2 ** 30, false)), ENOMEM],
  ['mremap: unknown flags', (s) => now(mremapRegion(s, at(0), PAGE_SIZE, PAGE_SIZE, 8, 0)), EINVAL],
  ['mremap: not at a page', (s) => now(mremapRegion(s, at(0) + 1, PAGE_SIZE, PAGE_SIZE, MAYMOVE, 0)), EINVAL],
  ['mremap: empty', (s) => now(mremapRegion(s, at(0), PAGE_SIZE, 0, MAYMOVE, 0)), EINVAL],
  ['mremap: a hole', (s) => now(mremapRegion(s, at(6), PAGE_SIZE, 2 * PAGE_SIZE, MAYMOVE, 0)), EFAULT],
  [
    'mremap: over the end of the mapping',
    (s) => now(mremapRegion(s, at(0), 7 * PAGE_SIZE, 9 * PAGE_SIZE, 1, 0)),
    EFAULT,
  ],
  [
    'mremap: onto itself',
    (s) => now(mremapRegion(s, at(0), 4 * PAGE_SIZE, 4 * PAGE_SIZE, MAYMOVE | MREMAP_FIXED, at(2))),
    EINVAL,
  ],
  [
    'mremap: keeping, with another size',
    (s) => now(mremapRegion(s, at(0), PAGE_SIZE, 2 * PAGE_SIZE, MAYMOVE | MREMAP_DONTUNMAP, 0)),
    EINVAL,
  ],
  ['mremap: fixed, not moving', (s) => now(mremapRegion(s, at(0), PAGE_SIZE, PAGE_SIZE, MREMAP_FIXED, at(30))), EINVAL],
  ['mremap: wrapping', (s) => now(mremapRegion(s, at(0), PAGE_SIZE, WHOLE, MAYMOVE, 0)), EINVAL],
]

describe('the memory calls of Linux given what cannot be', () => {
  it.each(linuxCases)('%s', (_what, call, expected) => {
    const u = new UvmWorld()
    const space = u.space(linux)
    u.spaces.push(space)
    for (const [s, n, prot] of [
      [0, 6, 3],
      [8, 4, 1],
      [12, 2, 0],
    ]) {
      const got = anonymous(space, at(s!), n! * PAGE_SIZE, prot!, MAP_FIXED)
      if (isErr(got)) throw new Error(`mmap: ${got}`)
    }
    u.W(1, 'a', space)
    const before = picture(u, space)
    expect(outcome(() => call(space))).toBe(expected)
    expect(picture(u, space)).toEqual(before)
    u.check()
  })
})
