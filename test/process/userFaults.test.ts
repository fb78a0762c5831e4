// userfaultfd: program test X11 of the system-call specification, and faults that are really seen to.

import { describe, expect, it } from 'vitest'
import type { Sleep } from '../../src/base/index.ts'
import { smapsText } from '../../src/kernel/proc/index.ts'
import { handleTrap } from '../../src/kernel/trap/index.ts'
import { type Hart, STOP_FAULT } from '../../src/rv64/index.ts'
import { A, ANON, Caller, FIXED, PAGE, PRIVATE, PROT_R, PROT_RW, SHARED } from './caller.ts'

const NONBLOCK = 0o4000
const API = 0xc018aa3f
const REGISTER = 0xc020aa00
const UNREGISTER = 0x8010aa01
const WAKE = 0x8010aa02
const COPY = 0xc028aa03
const ZEROPAGE = 0xc020aa04
const MOVE = 0xc028aa05
const WRITEPROTECT = 0xc018aa06
const CONTINUE = 0xc020aa07
const POISON = 0xc020aa08
const MISSING = 1
const WP = 2
const MINOR = 4
const MADV_DONTNEED = 4
/** Structures and messages lie here. */
const DATA = 0x1000_8000
const SOURCE = A + 0x100_0000

const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)

class Faults extends Caller {
  readonly fd: number
  constructor() {
    super()
    this.fd = this.call('userfaultfd', NONBLOCK)
    this.mmap(SOURCE, 4, PROT_RW)
    for (let i = 0; i < 4; i++) this.poke(SOURCE + i * PAGE, new Uint8Array(PAGE).fill(9 + i))
  }
  ioctl(request: number, ...words: number[]): string {
    this.poke(DATA, u64(...words))
    return this.ask('ioctl', this.fd, request, DATA)
  }
  api(features = 0): string {
    return this.ioctl(API, 0xaa, features, 0)
  }
  register(pages: number, mode: number, start = A): string {
    return this.ioctl(REGISTER, start, pages * PAGE, mode, 0)
  }
  /** A load or store of the program, which may be left asleep. */
  begin(address: number, isStore: boolean): Sleep<void> | null {
    const hart = { cause: isStore ? 15 : 13, stval: address } as Hart
    const { kernel, machine } = this.system.rooms
    machine.current.thread = this.thread
    const work = handleTrap(kernel, this.thread, hart, STOP_FAULT)
    if (work !== null) this.sleeps(work)
    machine.current.thread = null
    return work
  }
  /** Goes on, and falls asleep again. */
  sleeps(work: Sleep<void>): void {
    expect(this.goOn(work)).toBe(false)
  }
  end(work: Sleep<void> | null): void {
    expect(this.goOn(work!)).toBe(true)
  }
  goOn(work: Sleep<unknown>): boolean {
    const { current } = this.system.rooms.machine
    current.thread = this.thread
    const { done } = work.next('woken')
    current.thread = null
    return done === true
  }
  /** The next message: flags and address; null for none. */
  message(): [number, number] | null {
    const got = this.call('read', this.fd, DATA, 32)
    if (got !== 32) return null
    expect(this.peek(DATA, 1)[0]).toBe(0x12)
    return [this.word(DATA + 8), this.word(DATA + 16)]
  }
  flags(start: number): string {
    const key = start.toString(16).padStart(8, '0')
    return new RegExp(`^${key}-[^]*?^VmFlags: (.*) $`, 'm').exec(smapsText(this.process.space!))![1]!
  }
}
const ranges = (lines: string[]): string[] => lines.map((line) => line.slice(0, 30))
const here = (c: Caller): string[] => ranges(c.maps(A, A + 0x10_0000))

describe('userfaultfd', () => {
  it('[syscall X11] userfaultfd', () => {
    const c = new Faults()
    expect(c.fd).toBeGreaterThan(2)
    expect(c.ask('userfaultfd', 0x100)).toBe('-EINVAL')
    c.mmap(A, 4, PROT_RW)
    expect(c.register(2, MISSING)).toBe('-EINVAL')
    expect(c.ioctl(API, 0xab, 0, 0)).toBe('-EINVAL')
    expect([...c.peek(DATA, 24)].every((byte) => byte === 0)).toBe(true)
    expect(c.api()).toBe('ok')
    expect(c.word(DATA + 8)).toBe(0x1ffff)
    expect(new DataView(c.peek(DATA + 16, 8).buffer).getBigUint64(0, true)).toBe(0x8000000000000003n)
    expect(c.api()).toBe('-EINVAL')
    expect(c.register(2, 0)).toBe('-EINVAL')
    expect(c.register(2, MISSING, A + 1)).toBe('-EINVAL')
    expect(c.register(2, MISSING)).toBe('ok')
    expect(c.word(DATA + 24)).toBe(0x13c)
    expect(here(c)).toEqual(['200000000000-200000002000 rw-p', '200000002000-200000004000 rw-p'])
    expect(c.flags(A)).toBe('rd wr mr mw me um ac')
    expect(c.ioctl(COPY, A, SOURCE, PAGE, 0, 0)).toBe('ok')
    expect(c.word(DATA + 32)).toBe(PAGE)
    expect(c.peek(A, 1)[0]).toBe(9)
    expect(c.ioctl(COPY, A, SOURCE, PAGE, 0, 0)).toBe('-EEXIST')
    expect(c.word(DATA + 32)).toBe(-17)
    expect(c.ioctl(COPY, A + 2 * PAGE, SOURCE, PAGE, 0, 0)).toBe('-ENOENT')
    expect(c.ioctl(ZEROPAGE, A + PAGE, PAGE, 0, 0)).toBe('ok')
    expect(c.ask('read', c.fd, DATA, 32)).toBe('-EAGAIN')
    // Both parts have pages, and with them anon groups: the second part's is another one, and they stay apart.
    c.poke(A + 2 * PAGE, Uint8Array.of(1))
    expect(c.ioctl(UNREGISTER, A, 2 * PAGE)).toBe('ok')
    expect(here(c)).toEqual(['200000000000-200000002000 rw-p', '200000002000-200000004000 rw-p'])
    c.system.verify()
  })

  it('a missing page is told of, and made by a copy, by zeros, or by a move', () => {
    const c = new Faults()
    c.api()
    c.mmap(A, 4, PROT_RW)
    expect(c.register(4, MISSING)).toBe('ok')
    const load = c.begin(A + 17, false)
    expect(c.message()).toEqual([0, A])
    expect(c.message()).toBeNull()
    expect(c.ioctl(COPY, A, SOURCE, PAGE, 0, 0)).toBe('ok')
    c.end(load)
    const store = c.begin(A + PAGE, true)
    expect(c.message()).toEqual([1, A + PAGE])
    expect(c.ioctl(ZEROPAGE, A + PAGE, PAGE, 0, 0)).toBe('ok')
    c.end(store)
    const moved = c.begin(A + 2 * PAGE, true)
    expect(c.ioctl(MOVE, A + 2 * PAGE, SOURCE + PAGE, PAGE, 0, 0)).toBe('ok')
    c.end(moved)
    expect([0, 1, 2].map((i) => c.peek(A + i * PAGE, 1)[0])).toEqual([9, 0, 10])
    expect(c.peek(SOURCE + PAGE, 1)[0]).toBe(0)
    expect(c.ioctl(MOVE, A + 2 * PAGE, SOURCE, PAGE, 0, 0)).toBe('-EEXIST')
    expect(c.ioctl(MOVE, A + 3 * PAGE, SOURCE + 8 * PAGE, PAGE, 0, 0)).toBe('-ENOENT')
    // A waiter that is only woken looks again, and is told of again.
    const again = c.begin(A + 3 * PAGE, false)
    expect(c.message()).toEqual([0, A + 3 * PAGE])
    c.ioctl(WAKE, A + 3 * PAGE, PAGE)
    c.sleeps(again!)
    expect(c.message()).toEqual([0, A + 3 * PAGE])
    expect(c.ioctl(UNREGISTER, A, PAGE)).toBe('ok')
    expect(c.ask('close', c.fd)).toBe('ok')
    c.end(again)
    expect(here(c)).toHaveLength(1)
    expect(c.flags(A)).toBe('rd wr mr mw me ac')
    c.system.verify()
  })

  it('stores to protected pages are told of, whatever else happens to the pages', () => {
    const c = new Faults()
    c.api()
    c.mmap(A, 4, PROT_RW)
    c.poke(A, Uint8Array.of(1))
    c.poke(A + PAGE, Uint8Array.of(2))
    expect(c.ioctl(WRITEPROTECT, A, PAGE, 1)).toBe('-ENOENT')
    expect(c.register(4, WP)).toBe('ok')
    expect(c.word(DATA + 24)).toBe(0x17c)
    expect(c.ioctl(WRITEPROTECT, A, PAGE, 3)).toBe('-EINVAL')
    expect(c.ioctl(WRITEPROTECT, A, 4 * PAGE, 1)).toBe('ok')
    expect(c.begin(A, false)).toBeNull()
    expect(c.begin(A + 3 * PAGE, true)).toBeNull()
    expect(c.ask('mprotect', A, 4 * PAGE, PROT_R)).toBe('ok')
    expect(c.ask('mprotect', A, 4 * PAGE, PROT_RW)).toBe('ok')
    const store = c.begin(A, true)
    expect(c.message()).toEqual([3, A])
    expect(c.ioctl(WRITEPROTECT, A, PAGE, 0)).toBe('ok')
    c.end(store)
    expect(c.begin(A, true)).toBeNull()
    // Dropped pages are no longer protected.
    expect(c.ask('madvise', A + PAGE, PAGE, MADV_DONTNEED)).toBe('ok')
    expect(c.begin(A + PAGE, true)).toBeNull()
    expect(c.ioctl(UNREGISTER, A, 4 * PAGE)).toBe('ok')
    c.system.verify()
  })

  it('minor faults of a memory file are told of, and its own page is shown', () => {
    const c = new Faults()
    c.api()
    const memory = c.call('memfd_create', 'm', 0)
    c.call('ftruncate', memory, 4 * PAGE)
    c.call('pwrite64', memory, 'here', 4, PAGE)
    c.call('mmap', A, 4 * PAGE, PROT_RW, SHARED | FIXED, memory, 0)
    expect(c.register(4, MINOR | MISSING)).toBe('ok')
    expect(c.word(DATA + 24)).toBe(0x1bc)
    expect(c.flags(A)).toBe('rd wr sh mr mw me ms um ui')
    const load = c.begin(A + PAGE, false)
    expect(c.message()).toEqual([4, A + PAGE])
    expect(c.ioctl(CONTINUE, A, PAGE, 0, 0)).toBe('-EFAULT')
    expect(c.ioctl(CONTINUE, A + PAGE, PAGE, 0, 0)).toBe('ok')
    c.end(load)
    expect(c.ioctl(CONTINUE, A + PAGE, PAGE, 0, 0)).toBe('-EEXIST')
    expect(String.fromCharCode(...c.peek(A + PAGE, 4))).toBe('here')
    const store = c.begin(A, true)
    expect(c.message()).toEqual([1, A])
    expect(c.ioctl(COPY, A, SOURCE, 2 * PAGE, 0, 0)).toBe('-EAGAIN')
    expect(c.word(DATA + 32)).toBe(PAGE)
    c.end(store)
    c.system.verify()
  })

  it('a poisoned page ends in SIGBUS until it is dropped by unmapping; SIGBUS may stand for every message', () => {
    const c = new Faults()
    c.api(1 << 7)
    c.mmap(A, 4, PROT_RW)
    c.register(4, MISSING)
    const zero = c.call('openat', -100, '/dev/zero', 0, 0)
    expect(c.ask('read', zero, A, 1)).toBe('-EFAULT')
    expect(c.message()).toBeNull()
    expect(c.ioctl(POISON, A + PAGE, PAGE, 0, 0)).toBe('ok')
    expect(c.ioctl(UNREGISTER, A, 4 * PAGE)).toBe('ok')
    expect(c.touch(A, true)).toBe('ok')
    expect(c.touch(A + PAGE)).toBe('SIGBUS code 2')
    expect(c.mmap(A, 4, PROT_RW)).toBe(A)
    expect(c.touch(A + PAGE)).toBe('ok')
    expect(c.ask('close', c.fd)).toBe('ok')
    c.system.verify()
  })

  it('registers only what it can see to, and forgets it at fork, at a move and at a new mapping', () => {
    const c = new Faults()
    c.api()
    const file = c.call('openat', -100, '/bin/init', 0, 0)
    if (file >= 0) {
      c.call('mmap', A, PAGE, PROT_R, PRIVATE | FIXED, file, 0)
      expect(c.register(1, MISSING)).toBe('-EINVAL')
    }
    c.mmap(A, 2, PROT_RW)
    expect(c.register(1, MINOR)).toBe('-EINVAL')
    expect(c.register(1, MISSING, A + 8 * PAGE)).toBe('-EINVAL')
    expect(c.register(1, 8)).toBe('-EINVAL')
    expect(c.register(2, MISSING)).toBe('ok')
    const other = c.call('userfaultfd', NONBLOCK)
    c.poke(DATA, u64(0xaa, 0, 0))
    c.call('ioctl', other, API, DATA)
    c.poke(DATA, u64(A, PAGE, MISSING, 0))
    expect(c.ask('ioctl', other, REGISTER, DATA)).toBe('-EBUSY')
    const pid = c.call('clone', 17, 0, 0, 0, 0)
    const child = c.system.rooms.kernel.processes.byPid.get(pid)!
    expect(smapsText(child.space!)).not.toContain(' um ')
    expect(c.call('mremap', A, PAGE, PAGE, 3, A + 0x10_0000)).toBe(A + 0x10_0000)
    expect(c.flags(A + 0x10_0000)).toBe('rd wr mr mw me ac')
    expect(c.flags(A + PAGE)).toBe('rd wr mr mw me um ac')
    expect(c.call('mmap', A, 4 * PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe(A)
    expect(c.flags(A)).toBe('rd wr mr mw me ac')
    c.system.verify()
  })
})
