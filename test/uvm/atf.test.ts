// Counterparts of NetBSD's conformance tests (uvm specification 4.4), under their names.

import { describe, expect, it } from 'vitest'
import {
  EACCES,
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ENOMEM,
  isErr,
  KiB,
  PAGE_SIZE,
  type Pfn,
  type Sleep,
} from '../../src/base/index.ts'
import { O_RDONLY, O_RDWR, O_WRONLY } from '../../src/kernel/file/index.ts'
import { UVM_LOAN_TOPAGE, uvmLoan, uvmUnloan } from '../../src/kernel/loan/index.ts'
import {
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_UNMAP,
  uvmMap,
  uvmMapflag,
  uvmUnmap,
} from '../../src/kernel/map/index.ts'
import {
  EXEC,
  MADV_FREE,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_WIRED,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  NetbsdProcess,
  READ,
  WRITE,
} from './frontEnd.ts'
import { UvmWorld } from './world.ts'

const P = PAGE_SIZE
const RW = READ | WRITE
const NONE = 0
const INHERIT = { SHARE: 0, COPY: 1, NONE: 2, ZERO: 4 }

function newProcess(): NetbsdProcess {
  return new NetbsdProcess(new UvmWorld())
}
/** A process with a file `f` of this content. */
function withFile(content: string): NetbsdProcess {
  const p = newProcess()
  p.world.file(content)
  return p
}
function must(address: number): number {
  expect(isErr(address)).toBe(false)
  return address
}
const anon = (p: NetbsdProcess, bytes: number, prot = RW, flags = MAP_PRIVATE): number =>
  must(p.mmap(0, bytes, prot, MAP_ANON | flags))
/** What the child of a fork sees. */
function inChild<T>(p: NetbsdProcess, body: (child: NetbsdProcess) => T): T {
  const child = p.fork()
  const result = body(child)
  child.exit()
  return result
}

describe('t_mmap', () => {
  it('t_mmap mmap_err', () => {
    const p = newProcess()
    expect(p.mmap(0, 3, READ, MAP_PRIVATE)).toBe(EBADF)
    expect(p.mmap(-1, 3, READ, MAP_FIXED | MAP_PRIVATE | MAP_ANON)).toBe(EINVAL)
    expect(p.mmap(0, 3, READ, MAP_ANON | MAP_PRIVATE, 0)).toBe(EINVAL)
    expect(p.mmap(0, P, READ, MAP_ANON | MAP_PRIVATE | MAP_SHARED)).toBe(EINVAL)
    expect(p.mmap(0, 0, READ, MAP_ANON)).toBe(EINVAL)
  })
  it('t_mmap mmap_loan', () => {
    const bytes = 32 * KiB
    const p = withFile('-'.repeat(bytes))
    const fd = p.open('f', O_RDWR)
    const { world } = p
    const received = (pages: number[]): string => {
      const { memory } = world.machine
      return pages.map((pfn) => String.fromCharCode(memory.u8[memory.frameOffset(pfn as Pfn) + 7]!)).join('')
    }
    const send = (from: number): number[] => {
      const lent: number[] = []
      expect(world.wait(uvmLoan(p.map, from, bytes, lent, UVM_LOAN_TOPAGE))).toBe(0)
      return lent
    }
    for (const flags of [MAP_PRIVATE, MAP_SHARED]) {
      const at = must(p.mmap(0, bytes, RW, flags, fd, 0))
      // With a shared mapping the file is overwritten through a second one.
      const second = flags === MAP_SHARED ? must(p.mmap(0, bytes, RW, MAP_SHARED, fd, 0)) : at
      for (const [written, expected] of [
        ['A', '-'],
        ['B', 'A'],
      ] as const) {
        const before = received(send(at))
        const lent = send(at)
        for (let i = 0; i < bytes; i += P) p.fill(second + i, 16, written.charCodeAt(0))
        expect([before, received(lent)]).toEqual([expected.repeat(8), expected.repeat(8)])
        uvmUnloan(world.vm, lent, lent.length, UVM_LOAN_TOPAGE)
        expect(p.load(at)).toBe(written.charCodeAt(0))
      }
      expect(p.munmap(at, bytes)).toBe(0)
    }
  })
  it('t_mmap mmap_prot_1', () => {
    const p = withFile('x')
    const fd = p.open('f', O_WRONLY)
    expect(p.mmap(0, 3, READ, MAP_PRIVATE, fd)).toBe(EACCES)
    const at = must(p.mmap(0, 3, WRITE, MAP_PRIVATE, fd))
    expect(p.munmap(at, 3)).toBe(0)
  })
  it('t_mmap mmap_prot_2', () => {
    const p = newProcess()
    const at = anon(p, P, NONE)
    expect(inChild(p, (child) => child.load(at))).toBe('SIGSEGV')
    expect(p.munmap(at, P)).toBe(0)
  })
  it('t_mmap mmap_prot_3', () => {
    const p = withFile('x')
    const fd = p.open('f', O_RDONLY)
    const at = must(p.mmap(0, 3, NONE, MAP_SHARED, fd))
    expect(inChild(p, (child) => child.load(at))).toBe('SIGSEGV')
    p.close(fd)
    expect(p.munmap(at, P)).toBe(0)
  })
  it('t_mmap mmap_reprotect_race', () => {
    // Every step of two threads, one after the other and in turns: there is no point between them at which space is free.
    const { world, map } = newProcess()
    const bytes = 13 * P
    const reserve = uvmMapflag(NONE, 7, 0x10, 0, UVM_FLAG_COPYONW)
    const replace = uvmMapflag(RW, 7, 0x10, 0, UVM_FLAG_COPYONW | UVM_FLAG_FIXED | UVM_FLAG_UNMAP)
    function* racer(): Sleep<void> {
      const at = yield* uvmMap(map, 0x10000000, bytes, null, -1, 0, reserve)
      yield* uvmUnmap(map, at, at + bytes)
    }
    const addresses = new Set<number>()
    function* replacer(): Sleep<void> {
      const at = yield* uvmMap(map, 0x20000000, bytes, null, -1, 0, reserve)
      const again = yield* uvmMap(map, at, bytes, null, -1, 0, replace)
      expect(again).toBe(at)
      addresses.add(again)
      yield* uvmUnmap(map, again, again + bytes)
    }
    for (let round = 0; round < 2000; round++) {
      const threads = [racer(), replacer()]
      if (round % 2 === 1) threads.reverse()
      for (const thread of threads) world.wait(thread)
    }
    expect(addresses.size).toBe(1)
    expect(map.entryCount).toBe(0)
  })
  it('t_mmap mmap_truncate', () => {
    const p = withFile('x'.repeat(P))
    const fd = p.open('f', O_RDWR)
    const at = must(p.mmap(0, P, RW, MAP_PRIVATE, fd))
    p.fill(at, P, 120)
    for (const bytes of [0, P / 8, P / 2, P / 4, P, 0]) expect(p.ftruncate(fd, bytes)).toBe(0)
    expect(p.munmap(at, P)).toBe(0)
  })
  it('t_mmap mmap_truncate_signal', () => {
    const p = withFile('foo\n\0')
    const fd = p.open('f', O_RDWR)
    const at = must(p.mmap(0, P, READ, MAP_PRIVATE, fd))
    let sum = 0
    for (let i = 0; i < 5; i++) sum += p.load(at + i) as number
    expect(sum).toBe(334)
    expect(p.ftruncate(fd, 0)).toBe(0)
    expect(inChild(p, (child) => child.load(at))).toBe('SIGBUS')
  })
  it('t_mmap mmap_va0', () => {
    for (const isDisabled of [true, false]) {
      const p = new NetbsdProcess(new UvmWorld(false, 0))
      p.world.vm.isVa0Disabled = isDisabled
      for (const prot of [NONE, READ, WRITE, RW, READ | EXEC]) {
        const at = p.mmap(0, P, prot, MAP_ANON | MAP_FIXED | MAP_PRIVATE)
        expect(at).toBe(isDisabled ? EACCES : 0)
        if (!isDisabled) expect(p.munmap(0, P)).toBe(0)
      }
    }
  })
  it('t_mmap mmap_hint', () => {
    for (const topdown of [false, true]) {
      const p = new NetbsdProcess(new UvmWorld(topdown))
      const { min, max } = p.map
      for (const hint of [0, -1, P, min, max]) {
        const first = must(p.mmap(hint, P, READ, MAP_ANON))
        const second = must(p.mmap(first, P, READ, MAP_ANON))
        const third = must(p.mmap(first, P, READ, MAP_ANON))
        expect(new Set([first, second, third]).size).toBe(3)
        for (const at of [first, second, third]) expect(p.munmap(at, P)).toBe(0)
        expect(p.map.entryCount).toBe(0)
      }
    }
  })
})

describe('t_mprotect', () => {
  it('t_mprotect mprotect_access', () => {
    const p = withFile('x'.repeat(P))
    const fd = p.open('f', O_RDONLY)
    for (const prot of [NONE, READ]) {
      const at = must(p.mmap(0, P, prot, MAP_SHARED, fd))
      expect(p.mprotect(at, P, WRITE)).toBe(EACCES)
      expect(p.munmap(at, P)).toBe(0)
    }
  })
  it('t_mprotect mprotect_err', () => {
    expect(newProcess().mprotect(-1, 1, READ)).toBe(EINVAL)
  })
  it('t_mprotect mprotect_exec', () => {
    const p = newProcess()
    const at = anon(p, P)
    p.fill(at, 8, 0x13)
    expect(p.mprotect(at, P, READ | EXEC)).toBe(0)
    expect([p.call(at), p.load(at)]).toEqual([0, 0x13])
    expect(p.mprotect(at, P, READ)).toBe(0)
    expect(inChild(p, (child) => child.call(at))).toBe('SIGSEGV')
  })
  it('t_mprotect mprotect_write', () => {
    const p = newProcess()
    const at = anon(p, P)
    p.fill(at, 4, 120)
    expect(p.mprotect(at, P, READ)).toBe(0)
    expect(inChild(p, (child) => child.store(at, 1))).toBe('SIGSEGV')
    expect(p.load(at)).toBe(120)
  })
})

describe('t_mlock', () => {
  it('t_mlock mlock_clip', () => {
    const p = newProcess()
    const at = anon(p, 2 * P)
    p.fill(at, 8, 1)
    for (let bytes = 0; bytes < P; bytes += 1024) {
      expect([p.mlock(at, bytes), p.munlock(at, bytes)]).toEqual([0, 0])
      p.world.check()
      expect(p.load(at)).toBe(1)
    }
  })
  it('t_mlock mlock_err', () => {
    const p = newProcess()
    const low = new NetbsdProcess(new UvmWorld(false, 0))
    const at = anon(p, P)
    p.munmap(at, P)
    for (const call of ['mlock', 'munlock'] as const) {
      expect([p[call](0, P), low[call](0, P)]).toEqual([EINVAL, ENOMEM])
      expect(p[call](-1, P)).toBe(EINVAL)
      expect(p[call](at, P)).toBe(ENOMEM)
    }
  })
  it('t_mlock mlock_limits', () => {
    const p = newProcess()
    const at = anon(p, 16 * P)
    for (let bytes = P; bytes <= 16 * P; bytes += P) {
      p.limits.memlock = bytes - 1
      expect(p.mlock(at, bytes)).toBe(EAGAIN)
    }
    p.limits.memlock = 16 * P
    expect(p.mlock(at, 16 * P)).toBe(0)
  })
  it('t_mlock mlock_mmap', () => {
    const p = newProcess()
    const at = anon(p, P, RW, MAP_PRIVATE | MAP_WIRED)
    expect([p.mlock(at, P), p.munlock(at, P), p.munmap(at, P)]).toEqual([0, 0, 0])
    expect(p.munlock(at, P)).toBe(ENOMEM)
    const none = anon(p, P, NONE, MAP_PRIVATE | MAP_WIRED)
    expect(p.mlock(none, P)).toBe(EINVAL)
  })
  it('t_mlock mlock_nested', () => {
    const p = newProcess()
    const at = anon(p, P)
    for (let i = 0; i < 100; i++) expect(p.mlock(at, P)).toBe(0)
    expect(p.munlock(at, P)).toBe(0)
    expect(p.world.vm.wiredPages).toBe(0)
  })
})

describe('t_msync', () => {
  for (const [name, flags] of [
    ['async', MS_ASYNC],
    ['sync', MS_SYNC],
    ['invalidate', MS_INVALIDATE],
  ] as const) {
    it(`t_msync msync_${name}`, () => {
      const p = withFile('-'.repeat(P))
      const fd = p.open('f', O_RDWR)
      const at = must(p.mmap(0, P, READ, MAP_PRIVATE, fd))
      expect(p.load(at + 512)).toBe('-'.charCodeAt(0))
      expect(p.pwrite(fd, new Uint8Array(16).fill(71), 512)).toBe(16)
      expect(p.msync(at, P, flags)).toBe(0)
      for (let i = 0; i < 16; i++) expect(p.load(at + 512 + i)).toBe(71)
      expect(p.msync(at, 0, flags)).toBe(0)
      expect(p.munmap(at, P)).toBe(0)
    })
  }
  it('t_msync msync_err', () => {
    const p = newProcess()
    const at = anon(p, P)
    for (const flags of [-1, 2 ** 31 - 1, 0, MS_ASYNC | MS_SYNC]) expect(p.msync(at, P, flags)).toBe(EINVAL)
    p.munmap(at, P)
    expect(p.msync(at, P, MS_SYNC)).toBe(EFAULT)
    expect(p.msync(at, 0, MS_SYNC)).toBe(EINVAL)
  })
})

describe('t_minherit', () => {
  function shared(inheritance: number): [NetbsdProcess, number] {
    const p = newProcess()
    const at = anon(p, P, RW, MAP_SHARED)
    p.fill(at, 64, 1)
    expect(p.minherit(at, P, inheritance)).toBe(0)
    return [p, at]
  }
  it('t_minherit minherit_copy', () => {
    const [p, at] = shared(INHERIT.COPY)
    expect(inChild(p, (child) => [child.load(at), child.store(at, 0), child.load(at)])).toEqual([1, 0, 0])
    expect(p.load(at)).toBe(1)
  })
  it('t_minherit minherit_share', () => {
    const [p, at] = shared(INHERIT.SHARE)
    inChild(p, (child) => child.store(at, 0))
    expect(p.load(at)).toBe(0)
  })
  it('t_minherit minherit_none', () => {
    const [p, at] = shared(INHERIT.NONE)
    expect(inChild(p, (child) => child.load(at))).toBe('SIGSEGV')
  })
  it('t_minherit minherit_zero', () => {
    const [p, at] = shared(INHERIT.ZERO)
    expect(inChild(p, (child) => [child.load(at), child.store(at, 2), child.load(at)])).toEqual([0, 0, 2])
    expect(p.load(at)).toBe(1)
  })
  it('t_minherit minherit_bad', () => {
    const p = newProcess()
    const at = anon(p, P, RW, MAP_SHARED)
    expect(p.minherit(at, P, 666)).toBe(EINVAL)
  })
})

describe('t_mincore', () => {
  const PAGES = 128
  it('t_mincore mincore_err', () => {
    const p = new NetbsdProcess(new UvmWorld(false, 0))
    const at = anon(p, P)
    expect(p.mincore(at, 0, at)).toBe(EINVAL)
    expect(p.mincore(0, P, at)).toBe(ENOMEM)
    expect(p.mincore(at, P, -1)).toBe(EFAULT)
    expect(p.mincore(at + 1, P, at)).toBe(EINVAL)
  })
  it('t_mincore mincore_resid', () => {
    const p = newProcess()
    const wired = anon(p, PAGES * P, RW, MAP_PRIVATE | MAP_WIRED)
    const plain = anon(p, PAGES * P)
    expect([p.resident(wired, PAGES), p.resident(plain, PAGES)]).toEqual([PAGES, 0])
    expect(p.mlockall(3)).toBe(0)
    expect(p.resident(plain, PAGES)).toBe(PAGES)
    const readOnly = anon(p, PAGES * P, READ)
    const none = anon(p, PAGES * P, NONE)
    expect([p.resident(readOnly, PAGES), p.resident(none, PAGES)]).toEqual([PAGES, 0])
    expect(p.mprotect(none, PAGES * P, READ)).toBe(0)
    expect([wired, plain, readOnly].map((at) => p.resident(at, PAGES))).toEqual([PAGES, PAGES, PAGES])
    expect(p.munlockall()).toBe(0)
    for (let i = 0; i < PAGES; i++) {
      p.load(readOnly + i * P)
      p.store(plain + i * P, 1)
    }
    for (const at of [readOnly, plain]) {
      expect(p.madvise(at, PAGES * P, MADV_FREE)).toBe(0)
      expect(p.resident(at, PAGES)).toBe(0)
    }
  })
  it('t_mincore mincore_shmseg', () => {
    const p = newProcess()
    const at = p.shmat(PAGES)
    expect(p.resident(at, PAGES)).toBe(0)
    for (let i = 0; i < PAGES; i++) p.store(at + i * P, 1)
    expect(p.resident(at, PAGES)).toBe(PAGES)
    expect(p.madvise(at, PAGES * P, MADV_FREE)).toBe(0)
    expect(p.load(at)).toBe(1)
  })
})
