// Random sequences of commands, chosen by a seed and by the answers so far: what test/oracle/linux/generate-recordings.py
// does, with our own source of randomness.

import { PAGE_SIZE, Rng } from '../base/index.ts'
import { HEAP, SIZE } from './arena.ts'
import type { Op } from './recording.ts'

/** Collisions happen here. Bytes from the start of the arena. */
const WINDOW = 0x400000
const WINDOW_PAGES = 96
/** Layouts and contents are listed after so many operations. */
const DUMP_EVERY = 50
/** Of each entry so many pages are read, and of so many entries. */
const DUMP_PAGES = 64
const DUMP_ENTRIES = 40

type Group =
  | 'mmap'
  | 'place'
  | 'fmap'
  | 'munmap'
  | 'mprotect'
  | 'poke'
  | 'peek'
  | 'mremap'
  | 'madvise'
  | 'mlock'
  | 'rlimit'
  | 'msync'
  | 'mincore'
  | 'fileop'
  | 'remap'
  | 'brk'
  | 'grow'
  | 'fork'
  | 'child'
  | 'bad'

/** Weights of the groups of operations. */
const PROFILES: Readonly<Record<string, Partial<Record<Group, number>>>> = {
  anon: { mmap: 26, munmap: 14, mprotect: 22, poke: 24, peek: 8, mremap: 4, madvise: 2 },
  place: { place: 45, munmap: 28, poke: 8, mprotect: 8, mremap: 11 },
  mremap: { mmap: 20, munmap: 8, mprotect: 10, poke: 22, peek: 6, mremap: 34 },
  file: { fmap: 26, munmap: 10, mprotect: 12, poke: 16, peek: 8, fileop: 14, msync: 4, mremap: 6, mincore: 4 },
  fork: { mmap: 18, fmap: 6, munmap: 5, mprotect: 8, poke: 22, peek: 6, fork: 6, child: 28, madvise: 4, mremap: 3 },
  advise: { mmap: 16, fmap: 6, munmap: 8, mprotect: 6, poke: 18, madvise: 26, mlock: 14, mincore: 4, rlimit: 2 },
  stack: { grow: 22, mmap: 10, munmap: 10, mprotect: 10, brk: 16, poke: 26, place: 6 },
  remap: { fmap: 26, remap: 22, poke: 14, peek: 6, munmap: 8, mprotect: 8, mremap: 8, msync: 4, mincore: 4 },
  errors: { bad: 48, mmap: 16, fmap: 8, munmap: 8, mprotect: 8, poke: 12 },
  mixed: {
    mmap: 12,
    place: 8,
    fmap: 10,
    munmap: 10,
    mprotect: 10,
    poke: 14,
    peek: 4,
    mremap: 8,
    madvise: 8,
    mlock: 3,
    fileop: 5,
    fork: 1,
    child: 5,
    brk: 2,
    remap: 2,
    msync: 1,
    mincore: 1,
    grow: 2,
  },
}
export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES)

const ADVICE = [0, 1, 2, 3, 4, 4, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 102, 103]
const PROTS = [3, 3, 3, 3, 1, 1, 0, 0, 5, 7]
const BIG_PAGES = [1, 2, 3, 7, 16, 64, 256, 300, 511, 512, 512, 513, 1024, 1500]

/**
 * A random sequence.
 *
 * @param ask         answers a command; the answers steer what comes next
 * @param operations  random ones; listings come on top
 * @returns the commands and what `ask` answered
 */
export function generate(ask: (command: string) => string, seed: number, profile: string, operations: number): Op[] {
  return new Generator(ask, new Rng(seed), PROFILES[profile]!).sequence(operations)
}

const hex = (n: number): string => `0x${n.toString(16)}`
const at = (n: number): string => `@${n.toString(16)}`

class Generator {
  readonly #ask: (command: string) => string
  readonly #rng: Rng
  readonly #groups: Group[] = []
  readonly #log: Op[] = []
  #entries: (readonly [start: number, end: number])[] = []
  #lastMaps = ''
  /** Pages of the file behind each slot. */
  readonly #slots: number[] = []
  readonly #children = new Set<number>()
  #value = 0

  constructor(ask: (command: string) => string, rng: Rng, weights: Partial<Record<Group, number>>) {
    this.#ask = ask
    this.#rng = rng
    for (const [group, weight] of Object.entries(weights))
      for (let i = 0; i < weight; i++) this.#groups.push(group as Group)
  }

  sequence(operations: number): Op[] {
    for (let i = 0; i < operations; i++) {
      this.#operate(this.#rng.pick(this.#groups))
      this.#look()
      if (i % DUMP_EVERY !== DUMP_EVERY - 1) continue
      this.#do('smaps')
      this.#dump('')
    }
    for (const child of [...this.#children].sort()) this.#end(child)
    for (const slot of this.#slots.keys()) this.#do(`pread ${slot} 0 0x40000`)
    this.#do('smaps')
    return this.#log
  }

  #do(command: string): string {
    const answer = this.#ask(command)
    this.#log.push([command, answer])
    return answer
  }
  #look(): void {
    const maps = this.#ask('maps')
    if (maps === this.#lastMaps) return
    this.#log.push(['maps', maps])
    this.#lastMaps = maps
    this.#entries = entriesOf(maps)
  }
  #dump(prefix: string): void {
    for (const [start, end] of entriesOf(this.#ask(`${prefix}maps`)).slice(0, DUMP_ENTRIES))
      this.#do(`${prefix}pages ${at(start)} ${hex(Math.min(end - start, DUMP_PAGES * PAGE_SIZE))}`)
  }
  #end(child: number): void {
    this.#do(`child ${child} maps`)
    this.#do(`child ${child} smaps`)
    this.#dump(`child ${child} `)
    this.#do(`child ${child} exit`)
    this.#children.delete(child)
  }

  // What random arguments are made of.
  #chance(probability: number): boolean {
    return this.#rng.below(1_000_000) < probability * 1_000_000
  }
  #between(least: number, most: number): number {
    return least + this.#rng.below(most - least + 1)
  }
  #page(): number {
    const rng = this.#rng
    if (this.#entries.length === 0 || !this.#chance(0.6)) return WINDOW + PAGE_SIZE * rng.below(WINDOW_PAGES)
    const [start, end] = rng.pick(this.#entries)
    const pick = rng.below(100)
    const page =
      pick < 25
        ? start
        : pick < 40
          ? end
          : pick < 50
            ? start - PAGE_SIZE * this.#between(1, 3)
            : start + PAGE_SIZE * rng.below(Math.min((end - start) / PAGE_SIZE, 64))
    return Math.max(0, Math.min(page, SIZE - PAGE_SIZE))
  }
  #mappedPage(): number {
    if (this.#entries.length === 0 || !this.#chance(0.9)) return WINDOW + PAGE_SIZE * this.#rng.below(WINDOW_PAGES)
    const [start, end] = this.#rng.pick(this.#entries)
    return start + PAGE_SIZE * this.#rng.below(Math.min((end - start) / PAGE_SIZE, 64))
  }
  #length(isBig = false): number {
    const rng = this.#rng
    if (isBig) return rng.pick(BIG_PAGES) * PAGE_SIZE
    const pick = rng.below(100)
    const pages = pick < 30 ? 1 : pick < 75 ? this.#between(2, 6) : this.#between(7, 24)
    return pages * PAGE_SIZE - (this.#chance(0.06) ? rng.pick([1, 0x800, 0xfff]) : 0)
  }
  /** An address and a length that stay in the arena. */
  #range(): string {
    const start = this.#page()
    return `${at(start)} ${hex(inArena(start, this.#length()))}`
  }
  #byte(): number {
    this.#value = (this.#value % 250) + 1
    return this.#value
  }
  #inPage(): number {
    return this.#rng.pick([0, 0, 1, 0x800, 0xfff])
  }

  #operate(group: Group): void {
    const rng = this.#rng
    switch (group) {
      case 'mmap':
        return this.#mmap(-1)
      case 'place':
        return this.#place()
      case 'fmap':
        return this.#mapFile()
      case 'munmap':
        return void this.#do(`munmap ${this.#range()}`)
      case 'mprotect':
        return void this.#do(`mprotect ${this.#range()} ${rng.pick(PROTS)}`)
      case 'poke':
        return this.#poke()
      case 'peek':
        return void this.#do(`peek ${at(this.#mappedPage() + this.#inPage())}`)
      case 'mremap':
        return this.#mremap()
      case 'madvise':
        return void this.#do(`madvise ${this.#range()} ${rng.pick(ADVICE)}`)
      case 'mlock':
        return this.#mlock()
      case 'rlimit':
        return void this.#do(`rlimit memlock ${rng.pick(['max', '0', hex(8 * PAGE_SIZE), hex(40 * PAGE_SIZE)])}`)
      case 'msync':
        return void this.#do(`msync ${this.#range()} ${rng.pick([1, 2, 4, 4, 6, 5, 0, 8])}`)
      case 'mincore':
        return void this.#do(`mincore ${this.#range()}`)
      case 'fileop':
        return this.#fileOperation()
      case 'remap':
        return this.#remapFilePages()
      case 'brk':
        return void this.#do(
          `brk +${(rng.pick([0, 1, 2, 3, 5, 9, 20, 40]) * PAGE_SIZE + rng.pick([0, 0, 0, 1, 0x123])).toString(16)}`,
        )
      case 'grow':
        return this.#grow()
      case 'fork':
        return this.#fork()
      case 'child':
        return this.#child()
      case 'bad':
        return this.#bad()
    }
  }

  #mmap(slot: number): void {
    const rng = this.#rng
    const prot = rng.pick(PROTS)
    let flags = slot < 0 ? rng.pick([0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x21, 0x21]) : rng.pick([1, 1, 2, 2, 3])
    const file = slot < 0 ? '' : ` ${slot} ${hex(PAGE_SIZE * rng.pick([0, 0, 0, 1, 2, 3, 5, 8, 20]))}`
    let start = this.#page()
    const pick = rng.below(100)
    if (pick < 55) flags |= 0x10
    else if (pick < 63) flags |= 0x100000
    else if (pick < 80) start = 0
    const length = inArena(start, this.#length()) || PAGE_SIZE
    for (const [flag, probability] of SOMETIMES) if (this.#chance(probability)) flags |= flag
    this.#do(`mmap ${start === 0 ? '0' : at(start)} ${hex(length)} ${prot} ${hex(flags)}${file}`)
  }
  #place(): void {
    const rng = this.#rng
    const length = this.#length(this.#chance(0.6))
    const flags = rng.pick([0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x21, 0x122, 0x20022])
    const where = this.#chance(0.8) ? '0' : at(this.#page())
    this.#do(`mmap ${where} ${hex(length)} ${rng.pick(PROTS)} ${hex(flags)}`)
  }
  #mapFile(): void {
    const rng = this.#rng
    const slots = this.#slots
    if (slots.length === 0 || (slots.length < 4 && this.#chance(0.15))) {
      const slot = slots.length
      if (slot > 0 && this.#chance(0.3)) {
        const from = rng.below(slot)
        this.#do(`reopen ${slot} ${from} ${rng.pick([0, 2])}`)
        slots.push(slots[from]!)
      } else {
        const pages = rng.pick([1, 4, 8, 16, 24])
        this.#do(`memfd ${slot} ${hex(pages * PAGE_SIZE - rng.pick([0, 0, 0x800]))}`)
        slots.push(pages)
      }
    }
    this.#mmap(rng.below(slots.length))
  }
  #poke(): void {
    if (!this.#chance(0.25)) return void this.#do(`poke ${at(this.#mappedPage() + this.#inPage())} ${this.#byte()}`)
    const start = this.#mappedPage()
    this.#do(`fill ${at(start)} ${hex(inArena(start, PAGE_SIZE * this.#between(1, 12)))} ${this.#byte()} 4096`)
  }
  #mremap(): void {
    const rng = this.#rng
    let start = this.#page()
    let old = this.#length()
    if (this.#entries.length > 0 && this.#chance(0.7)) {
      const [from, to] = rng.pick(this.#entries)
      start = from
      old = to - from
      const cut = (): number => PAGE_SIZE * this.#between(1, Math.min(old / PAGE_SIZE, 64) - 1)
      if (old > PAGE_SIZE && this.#chance(0.4)) {
        const front = cut()
        start += front
        old -= front
      }
      if (old > PAGE_SIZE && this.#chance(0.3)) old -= cut()
    }
    old = inArena(start, old)
    const pick = rng.below(100)
    let now = pick < 35 ? old : pick < 70 ? old + this.#length() : Math.max(PAGE_SIZE, old - this.#length())
    if (this.#chance(0.03)) old = 0
    const flags = rng.pick([0, 1, 1, 1, 3, 3, 3, 3, 5, 7])
    if ((flags & 4) !== 0 && this.#chance(0.9)) now = old
    let target = ''
    if ((flags & 6) !== 0) {
      const page = this.#chance(0.6) ? this.#page() : WINDOW + PAGE_SIZE * rng.below(WINDOW_PAGES)
      const most = SIZE - now
      target = ` ${at(Math.max(0, Math.min(page, most - (most % PAGE_SIZE))))}`
    }
    this.#do(`mremap ${at(start)} ${hex(old)} ${hex(now)} ${flags}${target}`)
  }
  #mlock(): void {
    const range = this.#range()
    const pick = this.#rng.below(100)
    if (pick < 40) this.#do(`mlock ${range}`)
    else if (pick < 55) this.#do(`mlock2 ${range} ${this.#rng.pick([0, 1, 1, 2])}`)
    else this.#do(`munlock ${range}`)
  }
  #fileOperation(): void {
    const rng = this.#rng
    if (this.#slots.length === 0) return this.#mapFile()
    const slot = rng.below(this.#slots.length)
    const pages = this.#slots[slot]!
    const offset = hex(PAGE_SIZE * rng.below(pages + 2) + rng.pick([0, 0, 0x10, 0xff0]))
    const pick = rng.below(100)
    if (pick < 30)
      this.#do(`pwrite ${slot} ${offset} ${hex(rng.pick([1, 16, PAGE_SIZE, 3 * PAGE_SIZE]))} ${this.#byte()}`)
    else if (pick < 55) this.#do(`pread ${slot} ${offset} ${hex(rng.pick([1, 16, PAGE_SIZE, 4 * PAGE_SIZE]))}`)
    else if (pick < 80) {
      const sizes = [0, 1, Math.floor(pages / 2), pages, pages + 3].map((n) => n * PAGE_SIZE)
      this.#do(`ftruncate ${slot} ${hex(rng.pick([...sizes, pages * PAGE_SIZE - 0x7f0]))}`)
    } else this.#do(`punch ${slot} ${hex(PAGE_SIZE * rng.below(pages))} ${hex(PAGE_SIZE * this.#between(1, 4))}`)
  }
  #remapFilePages(): void {
    const rng = this.#rng
    const prot = this.#chance(0.1) ? 3 : 0
    this.#do(
      `remap_file_pages ${this.#range()} ${prot} ${rng.pick([0, 0, 1, 2, 3, 5, 9])} ${hex(rng.pick([0, 0, 0x10000]))}`,
    )
  }
  #grow(): void {
    const rng = this.#rng
    const pick = rng.below(100)
    if (pick < 35 || this.#entries.length === 0) {
      const start = WINDOW + 0x100000 + PAGE_SIZE * rng.below(400)
      this.#do(`mmap ${at(start)} ${hex(this.#length())} 3 ${hex(rng.pick([0x112, 0x132, 0x132, 0x122]))}`)
    } else if (pick < 55) {
      const start = HEAP + PAGE_SIZE * rng.below(48)
      this.#do(`mmap ${at(start)} ${hex(this.#length())} ${rng.pick(PROTS)} ${hex(rng.pick([0x32, 0x32, 0x132]))}`)
    } else {
      const [start] = rng.pick(this.#entries)
      const va = start - PAGE_SIZE * rng.pick([1, 1, 2, 5, 30, 200, 255, 256, 257, 300]) + rng.pick([0, 0xff8])
      if (va >= 0) this.#do(this.#chance(0.7) ? `poke ${at(va)} ${this.#byte()}` : `peek ${at(va)}`)
    }
  }
  #fork(): void {
    const free = [0, 1].filter((child) => !this.#children.has(child))
    if (free.length === 0 || (this.#children.size > 0 && this.#chance(0.4)))
      return this.#end(this.#rng.pick([...this.#children].sort()))
    if (this.#do(`fork ${free[0]}`) === 'ok') this.#children.add(free[0]!)
  }
  #child(): void {
    if (this.#children.size === 0) return this.#fork()
    const prefix = `child ${this.#rng.pick([...this.#children].sort())} `
    const ours = this.#entries
    this.#entries = entriesOf(this.#ask(`${prefix}maps`))
    this.#operateChild(prefix)
    this.#entries = ours
  }
  #operateChild(prefix: string): void {
    const rng = this.#rng
    const pick = rng.below(100)
    const va = (): string => at(this.#mappedPage() + rng.pick([0, 8, 0xfff]))
    if (pick < 45) this.#do(`${prefix}poke ${va()} ${this.#byte()}`)
    else if (pick < 62) this.#do(`${prefix}peek ${va()}`)
    else if (pick < 72) this.#do(`${prefix}mprotect ${this.#range()} ${rng.pick(PROTS)}`)
    else if (pick < 80) this.#do(`${prefix}munmap ${this.#range()}`)
    else if (pick < 88) this.#do(`${prefix}mmap ${this.#range()} ${rng.pick(PROTS)} 0x32`)
    else if (pick < 93) this.#do(`${prefix}madvise ${this.#range()} ${rng.pick([4, 10, 18, 8])}`)
    else this.#do(`${prefix}maps`)
  }
  /** Arguments that are wrong, or at the edge of it. */
  #bad(): void {
    const rng = this.#rng
    const page = this.#page()
    const a = at(page)
    const shift = rng.pick([1, 0x10, 0x800, 0xfff])
    const u = at(page + shift)
    const length = inArena(page + shift, this.#length())
    const n = hex(length)
    const some = hex(length || 1)
    const one = hex(length || PAGE_SIZE)
    const window = at(WINDOW)
    const commands = `
      munmap ${u} ${n}
      munmap ${a} 0
      mprotect ${u} ${n} 3
      mprotect ${a} 0 3
      mprotect ${a} ${n} 0x10
      mprotect ${a} ${n} 0x1000003
      mprotect ${a} ${n} 0x2000003
      mprotect ${a} ${n} 0x3000003
      mmap ${u} ${some} 3 0x32
      mmap ${a} 0 3 0x32
      mmap ${a} ${some} 3 0x30
      mmap ${a} ${some} 3 0x33
      mmap ${a} ${some} 3 0x2f
      mmap 0 -1 3 0x22
      mmap 0 -4097 3 0x22
      mmap 0 ${hex(SIZE * 2)} 3 0x22
      mmap 0 0x800000000000 3 0x22
      mmap ${a} ${some} 3 0x12
      mmap 0 ${some} 3 0x1 9 0
      mmap 0 ${some} 3 0x22 - 0x123
      mmap ${a} ${some} 3 0x100021
      mmap ${a} ${some} 3 0x100022
      mmap ${a} ${some} 3 0x121
      mmap ${a} ${some} 0x1f 0x32
      mremap ${u} ${n} ${n} 1
      mremap ${a} ${n} 0 1
      mremap ${a} ${n} ${n} 2 ${window}
      mremap ${a} ${n} ${n} 3 ${at(WINDOW + shift)}
      mremap ${a} ${n} ${n} 8
      mremap ${a} ${n} ${n} 4
      mremap ${a} ${n} ${hex(length + PAGE_SIZE)} 5
      mremap ${a} 0 ${some} 1
      mremap ${a} ${one} ${one} 3 ${a}
      mremap ${a} ${n} 0x800000000000 1
      madvise ${u} ${n} 4
      madvise ${a} ${n} 99
      madvise ${a} 0 4
      madvise ${a} 0 77
      madvise ${a} ${n} 5
      msync ${u} ${n} 4
      msync ${a} ${n} 5
      msync ${a} ${n} 16
      msync ${a} 0 4
      mlock ${u} ${n}
      mlock ${a} 0
      mlock2 ${a} ${n} 4
      munlock ${u} ${n}
      mincore ${u} ${n}
      mincore ${a} 0
      remap_file_pages ${a} ${n} 1 0 0
      remap_file_pages ${a} ${n} 0 0 0
      remap_file_pages ${a} 0 0 0 0
    `
    const wrong = commands.trim().split(/\n\s*/)
    this.#do(rng.pick(wrong))
  }
}

/** Flags of mmap that come now and then: NORESERVE, POPULATE, STACK, LOCKED. */
const SOMETIMES: readonly (readonly [flag: number, probability: number])[] = [
  [0x4000, 0.06],
  [0x8000, 0.06],
  [0x20000, 0.04],
  [0x2000, 0.02],
]

function entriesOf(maps: string): (readonly [number, number])[] {
  return [...maps.matchAll(/@([0-9a-f]+)-@([0-9a-f]+) /g)].map(
    ([, start, end]) => [Number.parseInt(start!, 16), Number.parseInt(end!, 16)] as const,
  )
}
function inArena(start: number, length: number): number {
  return Math.max(0, Math.min(length, SIZE - start))
}
