import { isErr, kassert, PAGE_SIZE, WouldSleep, type Clock, type Rng } from '../../base/index.ts'
import type { ObjectTable } from '../object/index.ts'
import { PageCache } from '../pagecache/index.ts'
import { __GFP_ZERO, allocPagesTry, GFP_KERNEL, type Phys } from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'
import type { Swap } from '../swap/index.ts'
import { Writeback } from '../writeback/index.ts'
import type { FileIo } from './openFile.ts'
import { PipeFs, type Pipe } from './pipe.ts'
import { RamFs } from './ramFs.ts'
import type { FileSystem, Timestamp, Vnode } from './vnode.ts'
import { RamPager } from './ramPager.ts'

/** The part of the machine that files need. */
export interface FilesMachine {
  readonly memory: { readonly u8: Uint8Array; frameOffset(pfn: number): number }
  readonly clock: Clock
  readonly rng: Rng
}

export interface FilesOptions {
  /** Seconds since 1970 at simulated time 0. */
  readonly bootSeconds?: number
  /** Who maps pages; without it no page is ever mapped. */
  readonly pmaps?: Pmaps
}
/** 2026-01-01, so that runs are the same on every day. */
const BOOT_SECONDS = 1767225600

/** A character device: how it moves bytes, and what it shows when mapped. */
export interface CharDevice extends FileIo {
  readonly name: string
  /** Of its node in /dev; 0666 unless told. */
  readonly permissions?: number
  /** 'zero': a private mapping is anonymous memory and a shared one a memory file. null: ENODEV. */
  readonly mapping: 'zero' | null
  /** Terminal size, for TIOCGWINSZ; null for what is no terminal. */
  readonly terminal: { rows: number; columns: number } | null
}

/** State of the room: what is mounted, which devices exist, and the memory files without a name. */
export class Files {
  readonly machine: FilesMachine
  readonly phys: Phys
  readonly objects: ObjectTable
  readonly cache: PageCache
  /** How much may be dirty (vm.dirty_*). What is dirty here goes out when asked for, or when memory is short. */
  readonly writeback: Writeback
  /** In the order of mounting; the first is the root file system. */
  readonly mounts: FileSystem[] = []
  /** By device number (`makedev`). */
  readonly devices = new Map<number, CharDevice>()
  /** Named pipes that are open, by vnode. */
  readonly fifos = new Map<Vnode, Pipe>()
  /** Memory files and shared anonymous memory; not mounted. */
  readonly shm: RamFs
  /** Pipes without a name; not mounted. */
  readonly pipes: PipeFs
  /** Byte offset of a frame for bytes on their way between a host array and user memory. Never held across a sleep. */
  readonly bounce: number
  /** Byte offset of a frame of zeros, for reading holes. Nobody writes it. */
  readonly zeros: number
  readonly ramPager: RamPager
  /** Where pages of memory files go that do not fit; null where there is no swap. Set at boot. */
  swap: Swap | null = null
  readonly bootSeconds: number
  #lastDevice = 0
  #lastPipe = 0

  constructor(machine: FilesMachine, phys: Phys, objects: ObjectTable, options: FilesOptions = {}) {
    this.machine = machine
    this.phys = phys
    this.objects = objects
    this.cache = new PageCache(phys, objects, options.pmaps === undefined ? {} : { pmaps: options.pmaps })
    this.writeback = new Writeback(this.cache)
    this.bootSeconds = options.bootSeconds ?? BOOT_SECONDS
    this.bounce = this.#bootFrame()
    this.zeros = this.#bootFrame()
    this.ramPager = new RamPager(this)
    this.shm = new RamFs(this)
    this.pipes = new PipeFs(this)
  }

  #bootFrame(): number {
    const page = allocPagesTry(this.phys, GFP_KERNEL | __GFP_ZERO, 0)
    kassert(page !== WouldSleep && !isErr(page), 'there is memory at boot')
    return this.machine.memory.frameOffset(page)
  }
  get root(): Vnode {
    kassert(this.mounts.length > 0, 'a root file system is mounted')
    return this.mounts[0]!.root
  }
  /** The bytes of the bounce frame. */
  get bounceBytes(): Uint8Array {
    return this.machine.memory.u8.subarray(this.bounce, this.bounce + PAGE_SIZE)
  }
  now(): Timestamp {
    const ns = this.machine.clock.now
    return { sec: this.bootSeconds + Math.floor(ns / 1e9), nsec: ns % 1e9 }
  }
  /** A number for st_dev: major 0, minor counting from 1. */
  newDeviceNumber(): number {
    return ++this.#lastDevice
  }
  newPipeNumber(): number {
    return ++this.#lastPipe
  }
}

/** st_rdev of a device, as Linux packs it: minor 19-8 and 7-0 around the major 11-0. */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
}
