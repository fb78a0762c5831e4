// Swap slots, numbered over all devices:
//
//   device a: 1 … n     device b: n + 1 … n + m     …        0 = no slot     -1 = bad: what it held is lost
//
//   used   one bit a slot: allocated, or bad for ever
//
// A slot's bytes are one page at (slot - first) * PAGE_SIZE of its disk.

import { kassert, PAGE_SIZE } from '../../base/index.ts'
import type { Disk } from '../../machine/index.ts'
import type { Phys } from '../phys/index.ts'

export const SWSLOT_BAD = -1

export class SwapDevice {
  readonly disk: Disk
  /** Lower numbers are used first. */
  readonly priority: number
  /** Number of its first slot. */
  readonly first: number
  readonly pages: number
  readonly used: Uint32Array
  /** Slots that gave an error. */
  bad = 0
  inUse = 0
  /** Where the next search begins. */
  #hint = 0

  constructor(disk: Disk, priority: number, first: number) {
    this.disk = disk
    this.priority = priority
    this.first = first
    this.pages = Math.floor(disk.sizeBytes / PAGE_SIZE)
    this.used = new Uint32Array(Math.ceil(this.pages / 32))
  }
  isUsed(i: number): boolean {
    return ((this.used[i >>> 5]! >>> (i & 31)) & 1) !== 0
  }
  /** Takes `n` neighbouring slots: the index of the first, or -1. */
  take(n: number): number {
    if (this.pages - this.inUse < n) return -1
    let i = this.#find(this.#hint, this.pages, n)
    if (i < 0) i = this.#find(0, Math.min(this.#hint + n - 1, this.pages), n)
    if (i < 0) return -1
    for (let k = i; k < i + n; k++) this.used[k >>> 5]! |= 1 << (k & 31)
    this.inUse += n
    this.#hint = i + n
    return i
  }
  #find(from: number, to: number, n: number): number {
    for (let i = from, run = 0; i < to; i++) {
      // A full word is passed over at once.
      if (run === 0 && (i & 31) === 0 && this.used[i >>> 5] === 0xffffffff) i += 31
      else if (this.isUsed(i)) run = 0
      else if (++run === n) return i - n + 1
    }
    return -1
  }
  giveBack(i: number): void {
    kassert(this.isUsed(i), 'a swap slot is freed once', `slot ${this.first + i}`)
    this.used[i >>> 5]! &= ~(1 << (i & 31))
    this.inUse--
  }
}

/** State of the room. */
export class Swap {
  readonly phys: Phys
  /** In order of use: by priority, and within one the device used longest ago first. */
  devices: SwapDevice[] = []
  // uvmexp's gauges, pages, and the count of reads.
  swpages = 0
  swpginuse = 0
  /** Slots whose data is not in memory too. */
  swpgonly = 0
  nswget = 0
  /** Linux: a slot is given back at the first store to its page, and when slots are short, as soon as it was read. */
  freesEarly = false

  constructor(phys: Phys) {
    this.phys = phys
  }
  get nswapdev(): number {
    return this.devices.length
  }
  /** Pages that may be allocated, used ones included. */
  get swpgavail(): number {
    return this.devices.reduce((sum, device) => sum + device.pages - device.bad, 0)
  }
  /** Nearly all that is swapped out is nowhere else: paging out makes no room. @manual uvm_swapisfull */
  get isFull(): boolean {
    return this.swpgonly * 100 >= this.swpgavail * 99
  }
  get isHalfUsed(): boolean {
    return this.swpginuse * 2 > this.swpages
  }
  get freePages(): number {
    return this.swpages - this.swpginuse
  }
  /** Devices in the order in which they were added: Linux's swap types. */
  get byNumber(): readonly SwapDevice[] {
    return [...this.devices].sort((a, b) => a.first - b.first)
  }
  deviceOf(slot: number): SwapDevice {
    const device = this.devices.find((d) => slot >= d.first && slot < d.first + d.pages)
    kassert(device !== undefined, 'a swap slot is on a device', `slot ${slot}`)
    return device
  }

  /** Recomputes the counters from the bitmaps. */
  verify(): void {
    let inUse = 0
    for (const device of this.devices) {
      let bits = 0
      for (let i = 0; i < device.pages; i++) if (device.isUsed(i)) bits++
      kassert(bits === device.inUse, 'a device counts its slots in use', `${bits} ${device.inUse}`)
      inUse += bits
    }
    kassert(inUse === this.swpginuse, 'swpginuse counts the slots in use', `${inUse} ${this.swpginuse}`)
    kassert(this.swpgonly >= 0 && this.swpgonly <= this.swpginuse, 'swpgonly is at most swpginuse', `${this.swpgonly}`)
    kassert(this.swpginuse <= this.swpages, 'swpginuse is at most swpages')
  }
}

/**
 * Adds a device; it is empty.
 *
 * @param priority  lower numbers are used first; devices of one priority take turns
 */
export function swapOn(swap: Swap, disk: Disk, priority = 0): SwapDevice {
  const device = new SwapDevice(disk, priority, swap.swpages + 1)
  const at = swap.devices.findIndex((other) => other.priority > priority)
  swap.devices.splice(at < 0 ? swap.devices.length : at, 0, device)
  swap.swpages += device.pages
  return device
}
