// Every call on memory, on an address space with 100, 10,000 and 60,000 other mappings, at random places among them,
// through the kernel's door; beside it the same call of the host's kernel (hostCalls.c, in the same order).
//
//   place of a call:  | other, 4 pages | free, 4 pages | the call's own, 8 pages |   next place …

import { isErr, PAGE_SIZE, Rng } from '../src/base/index.ts'
import { Guest, numberOf, SCRATCH } from './guest.ts'
import { runHostCalls } from './host.ts'
import { type CallRow, type Findings, median, timed } from './measure.ts'

const SIZES = [100, 10_000, 60_000] as const
const BASE = 0x2000_0000_0000
const PLACE = 16 * PAGE_SIZE
const OWN = 8 * PAGE_SIZE
const FOUR = 4 * PAGE_SIZE
/** Where the sealed mappings stay. */
const SEALED = 0x3800_0000_0000
const R = 1
const RW = 3
const SHARED = 1
const PRIVATE = 2
const FIXED = 0x10
const ANON = 0x20
const BATCH = 48
const SAMPLES = 25
const WARM_UP = 5
/** So often each call is made before anything counts: the compiler has done its work by then. */
const REHEARSALS = 80

const N = {
  brk: numberOf('brk'),
  clone: numberOf('clone'),
  close: numberOf('close'),
  ftruncate: numberOf('ftruncate'),
  get_mempolicy: numberOf('get_mempolicy'),
  getrusage: numberOf('getrusage'),
  ioctl: numberOf('ioctl'),
  lseek: numberOf('lseek'),
  madvise: numberOf('madvise'),
  mbind: numberOf('mbind'),
  membarrier: numberOf('membarrier'),
  memfd_create: numberOf('memfd_create'),
  mincore: numberOf('mincore'),
  mlock: numberOf('mlock'),
  mlock2: numberOf('mlock2'),
  mmap: numberOf('mmap'),
  mprotect: numberOf('mprotect'),
  mremap: numberOf('mremap'),
  mseal: numberOf('mseal'),
  msync: numberOf('msync'),
  munlock: numberOf('munlock'),
  munmap: numberOf('munmap'),
  openat: numberOf('openat'),
  pread64: numberOf('pread64'),
  process_vm_readv: numberOf('process_vm_readv'),
  read: numberOf('read'),
  remap_file_pages: numberOf('remap_file_pages'),
  shmat: numberOf('shmat'),
  shmdt: numberOf('shmdt'),
  shmget: numberOf('shmget'),
  userfaultfd: numberOf('userfaultfd'),
  wait4: numberOf('wait4'),
}
const AT_FDCWD = -100
const SIGCHLD = 17
const UFFDIO_API = 0xc018aa3f
const UFFDIO_REGISTER = 0xc020aa00
const UFFDIO_UNREGISTER = 0x8010aa01

// What calls point to, each on a page of its own.
const NAME = SCRATCH
const IOVECS = SCRATCH + PAGE_SIZE
const NODES = SCRATCH + 2 * PAGE_SIZE
const UFFD = SCRATCH + 3 * PAGE_SIZE
const ANSWER = SCRATCH + 4 * PAGE_SIZE
const BUFFER = SCRATCH + 16 * PAGE_SIZE
const BUFFER_BYTES = 32 * PAGE_SIZE

export function measure(): Findings {
  measureAt(100, REHEARSALS)
  const columns = SIZES.map((places) => ({ host: runHostCalls(places), own: measureAt(places, SAMPLES) }))
  const calls: CallRow[] = [...columns[0]!.own.keys()].map((what) => ({
    what,
    points: columns.map(({ own, host }, i) => ({ size: SIZES[i]!, ns: own.get(what)!, hostNs: host[what] ?? null })),
  }))
  return { rows: [], calls }
}

interface Subject {
  readonly name: string
  /** What is there before the call. */
  readonly before?: (at: number) => unknown
  readonly call: (at: number) => number
  /** What is done with the result. */
  readonly after?: (at: number, result: number) => unknown
}

/** Nanoseconds of each call among so many other mappings. */
function measureAt(places: number, samples: number): Map<string, number> {
  const guest = new Guest('256M')
  for (let i = 0; i < places; i++) {
    const at = BASE + i * PLACE
    guest.must(N.mmap, at, FOUR, i % 2 === 1 ? R : RW, PRIVATE | ANON | FIXED, -1, 0)
    // So that the page tables stay.
    if (i % 16 === 0) guest.store(at, 1)
  }
  const rng = new Rng(places)
  const found = new Map<string, number>()
  const { subjects, wholes, seal } = subjectsOf(guest, places)
  for (const subject of subjects) found.set(subject.name, measureCall(subject, places, samples, rng))
  // Once for each sample: what costs in proportion to the mappings.
  for (const { name, call, divisor } of wholes) {
    if (process.env.DEBUGB) console.error(name, Date.now())
    const taken: number[] = []
    for (let sample = -1; sample < SAMPLES; sample++) {
      const ns = timed(() => {
        if (isErr(call())) throw new Error(`${name} fails`)
      }, divisor)
      if (sample >= 0) taken.push(ns)
    }
    found.set(name, median(taken))
  }
  // Last: these mappings stay.
  found.set(seal.name, measureCall(seal, places, samples, rng))
  return found
}

function measureCall({ name, before, call, after }: Subject, places: number, samples: number, rng: Rng): number {
  const taken: number[] = []
  for (let sample = -WARM_UP; sample < samples; sample++) {
    const chosen = new Set<number>()
    while (chosen.size < BATCH) chosen.add(BASE + rng.below(places) * PLACE + OWN)
    const at = [...chosen]
    const results = new Float64Array(BATCH)
    for (const va of at) before?.(va)
    const ns = timed(() => {
      for (let i = 0; i < BATCH; i++) results[i] = call(at[i]!)
    }, BATCH)
    for (let i = 0; i < BATCH; i++) {
      if (isErr(results[i]!)) throw new Error(`${name} answers ${results[i]}`)
      after?.(at[i]!, results[i]!)
    }
    if (sample >= 0) taken.push(ns)
  }
  return median(taken)
}

interface Whole {
  readonly name: string
  readonly call: () => number
  readonly divisor: number
}

function subjectsOf(g: Guest, places: number): { subjects: Subject[]; wholes: Whole[]; seal: Subject } {
  const memoryFile = g.must(N.memfd_create, g.writeText(NAME, 'bench'), 0)
  g.must(N.ftruncate, memoryFile, FOUR)
  const segment = g.must(N.shmget, 0, FOUR, 0o1600)
  const faults = g.must(N.userfaultfd, 1)
  g.writeLongs(UFFD, [0xaa, 0, 0])
  g.must(N.ioctl, faults, UFFDIO_API, UFFD)
  const open = (path: string) => g.must(N.openat, AT_FDCWD, g.writeText(NAME, path), 0)
  const maps = open('/proc/self/maps')
  const statm = open('/proc/self/statm')
  const pagemap = open('/proc/self/pagemap')
  g.must(N.membarrier, 16, 0, 0)
  g.writeText(NAME, 'bench')
  const pid = g.process.pid
  g.writeLongs(IOVECS, [BUFFER, PAGE_SIZE, 0, PAGE_SIZE])
  g.writeLongs(NODES, [1])
  g.writeLongs(UFFD, [0, FOUR, 1, 0])
  let heap = g.call(N.brk, 0)
  let sealed = SEALED

  const fresh = (p: number) => g.must(N.mmap, p, FOUR, RW, PRIVATE | ANON | FIXED, -1, 0)
  const touched = (p: number) => {
    fresh(p)
    g.storePages(p, 4)
  }
  const shared = (p: number) => {
    g.must(N.mmap, p, FOUR, RW, SHARED | FIXED, memoryFile, 0)
    g.storePages(p, 4)
  }
  const divided = (p: number) => {
    touched(p)
    g.must(N.mprotect, p + PAGE_SIZE, 2 * PAGE_SIZE, R)
  }
  const unmapOwn = (p: number) => g.must(N.munmap, p, OWN)
  const advice = (what: string, before: (p: number) => void, number: number): Subject => ({
    name: `madvise ${what}`,
    before,
    call: (p) => g.call(N.madvise, p, FOUR, number),
    after: unmapOwn,
  })
  const watch = (p: number) => {
    g.writeLong(UFFD, p)
    return g.call(N.ioctl, faults, UFFDIO_REGISTER, UFFD)
  }
  const subjects: Subject[] = [
    {
      name: 'mmap, anywhere',
      call: (p) => g.call(N.mmap, 0, FOUR, ((p - BASE - OWN) / PLACE) % 2 === 1 ? R : RW, PRIVATE | ANON, -1, 0),
      after: (_, result) => g.must(N.munmap, result, FOUR),
    },
    {
      name: 'mmap, at a free address',
      call: (p) => g.call(N.mmap, p, FOUR, RW, PRIVATE | ANON, -1, 0),
      after: unmapOwn,
    },
    {
      name: 'mmap MAP_FIXED over four pages',
      before: touched,
      call: (p) => g.call(N.mmap, p, FOUR, RW, PRIVATE | ANON | FIXED, -1, 0),
      after: unmapOwn,
    },
    {
      name: 'mmap, a memory file',
      call: (p) => g.call(N.mmap, p, FOUR, RW, SHARED | FIXED, memoryFile, 0),
      after: unmapOwn,
    },
    { name: 'munmap', before: fresh, call: (p) => g.call(N.munmap, p, FOUR) },
    { name: 'munmap, four pages there', before: touched, call: (p) => g.call(N.munmap, p, FOUR) },
    {
      name: 'mprotect, a whole mapping',
      before: touched,
      call: (p) => g.call(N.mprotect, p, FOUR, R),
      after: unmapOwn,
    },
    {
      name: 'mprotect, inside: three of one',
      before: touched,
      call: (p) => g.call(N.mprotect, p + PAGE_SIZE, 2 * PAGE_SIZE, R),
      after: unmapOwn,
    },
    {
      name: 'mprotect, back: one of three',
      before: divided,
      call: (p) => g.call(N.mprotect, p + PAGE_SIZE, 2 * PAGE_SIZE, RW),
      after: unmapOwn,
    },
    {
      name: 'mremap, grows in place',
      before: touched,
      call: (p) => g.call(N.mremap, p, FOUR, 6 * PAGE_SIZE, 0),
      after: unmapOwn,
    },
    {
      name: 'mremap, shrinks',
      before: touched,
      call: (p) => g.call(N.mremap, p, FOUR, 2 * PAGE_SIZE, 0),
      after: unmapOwn,
    },
    {
      name: 'mremap, moves four pages',
      before: touched,
      call: (p) => g.call(N.mremap, p, FOUR, FOUR, 3, p + FOUR),
      after: unmapOwn,
    },
    {
      name: 'remap_file_pages, one page',
      before: shared,
      call: (p) => g.call(N.remap_file_pages, p, PAGE_SIZE, 0, 2, 0),
      after: unmapOwn,
    },
    advice('DONTNEED, four pages', touched, 4),
    advice('WILLNEED, a memory file', shared, 3),
    advice('FREE, four pages', touched, 8),
    advice('COLD, four pages', touched, 20),
    advice('POPULATE_WRITE, four pages', fresh, 23),
    advice('GUARD_INSTALL, four pages', fresh, 102),
    {
      name: 'madvise SEQUENTIAL, inside',
      before: touched,
      call: (p) => g.call(N.madvise, p + PAGE_SIZE, 2 * PAGE_SIZE, 2),
      after: unmapOwn,
    },
    { name: 'msync, a memory file', before: shared, call: (p) => g.call(N.msync, p, FOUR, 4), after: unmapOwn },
    { name: 'mlock, four pages there', before: touched, call: (p) => g.call(N.mlock, p, FOUR), after: unmapOwn },
    {
      name: 'munlock, four pages',
      before: (p) => {
        touched(p)
        g.must(N.mlock, p, FOUR)
      },
      call: (p) => g.call(N.munlock, p, FOUR),
      after: unmapOwn,
    },
    { name: 'mlock2 MLOCK_ONFAULT', before: touched, call: (p) => g.call(N.mlock2, p, FOUR, 1), after: unmapOwn },
    { name: 'mincore, four pages', before: touched, call: (p) => g.call(N.mincore, p, FOUR, ANSWER), after: unmapOwn },
    {
      name: 'brk, a page more',
      call: () => g.call(N.brk, (heap += PAGE_SIZE)),
      after: () => g.call(N.brk, (heap -= PAGE_SIZE)),
    },
    { name: 'shmat', call: (p) => g.call(N.shmat, segment, p, 0), after: unmapOwn },
    {
      name: 'shmdt',
      before: (p) => g.must(N.shmat, segment, p, 0),
      call: (p) => g.call(N.shmdt, p),
    },
    {
      name: 'memfd_create and ftruncate',
      call: () => {
        const fd = g.call(N.memfd_create, NAME, 0)
        const error = g.call(N.ftruncate, fd, FOUR)
        return error === 0 ? fd : error
      },
      after: (_, fd) => g.must(N.close, fd),
    },
    {
      name: 'process_vm_readv, a page',
      before: touched,
      call: (p) => {
        g.writeLong(IOVECS + 16, p)
        return g.call(N.process_vm_readv, pid, IOVECS, 1, IOVECS + 16, 1, 0)
      },
      after: unmapOwn,
    },
    { name: 'membarrier PRIVATE_EXPEDITED', call: () => g.call(N.membarrier, 8, 0, 0) },
    { name: 'getrusage', call: () => g.call(N.getrusage, 0, ANSWER) },
    {
      name: 'mbind, a whole mapping',
      before: touched,
      call: (p) => g.call(N.mbind, p, FOUR, 1, NODES, 64, 0),
      after: unmapOwn,
    },
    {
      name: 'get_mempolicy MPOL_F_ADDR',
      before: touched,
      call: (p) => g.call(N.get_mempolicy, ANSWER, 0, 0, p, 2),
      after: unmapOwn,
    },
    { name: 'userfaultfd, register', before: touched, call: watch, after: unmapOwn },
    {
      name: 'userfaultfd, unregister',
      before: (p) => {
        touched(p)
        watch(p)
      },
      call: (p) => {
        g.writeLong(UFFD, p)
        return g.call(N.ioctl, faults, UFFDIO_UNREGISTER, UFFD)
      },
      after: unmapOwn,
    },
    { name: '/proc/self/statm', call: () => g.call(N.pread64, statm, BUFFER, 256, 0) },
    {
      name: '/proc/self/pagemap, four pages',
      before: touched,
      call: (p) => g.call(N.pread64, pagemap, BUFFER, 32, (p / PAGE_SIZE) * 8),
      after: unmapOwn,
    },
    {
      name: 'page fault: store',
      before: fresh,
      call: (p) => {
        g.store(p, 1)
        return 0
      },
      after: unmapOwn,
    },
    { name: 'page fault: load', before: fresh, call: (p) => g.load(p), after: unmapOwn },
  ]
  const wholes: Whole[] = [
    {
      name: 'fork, exit and wait',
      call: () => {
        const child = g.call(N.clone, SIGCHLD, 0, 0, 0, 0)
        g.endChild(child)
        return g.call(N.wait4, child, 0, 0, 0)
      },
      divisor: 1,
    },
    {
      name: '/proc/self/maps, a line',
      call: () => {
        g.call(N.lseek, maps, 0, 0)
        let bytes = 1
        while (bytes > 0) bytes = g.call(N.read, maps, BUFFER, BUFFER_BYTES / 2)
        return bytes
      },
      divisor: places,
    },
  ]
  const seal: Subject = {
    name: 'mseal',
    before: () => fresh((sealed += PLACE)),
    call: () => g.call(N.mseal, sealed, FOUR, 0),
  }
  return { subjects, wholes, seal }
}
