import { EIO, ENOMEM, type Err, isErr, PAGE_SIZE, type Pfn, type Sleep, type WouldSleep } from '../../base/index.ts'
import { MemoryObject, type ObjectMapping, type ObjectTable, type PagerOps } from '../object/index.ts'
import { pmapEnter, PMAP_CANFAIL, PMAP_UNMANAGED } from '../pmap/index.ts'
import { VmMapEntry } from './entry.ts'

/** A device whose memory can be mapped. */
export interface MappableDevice {
  readonly name: string
  /** The page frame that shows the device at byte `offset`, or -1 where it has none or refuses the protection. */
  mmap(offset: number, prot: number): Pfn | -1
}

class DevicePager implements PagerOps {
  readonly name = 'device'
  readonly notifiesWrites = false
  readonly fillsNeighbours = false
  readonly #device: MappableDevice
  readonly #attached: Map<MappableDevice, MemoryObject>
  readonly #table: ObjectTable
  constructor(device: MappableDevice, table: ObjectTable, attached: Map<MappableDevice, MemoryObject>) {
    this.#device = device
    this.#table = table
    this.#attached = attached
  }
  reference(object: MemoryObject): void {
    object.refs++
  }
  detach(object: MemoryObject): void {
    if (--object.refs > 0) return
    this.#attached.delete(this.#device)
    this.#table.remove(object)
  }
  // Device pages are no pages of the system: they are mapped one at a time, unmanaged, and only shared.
  fault(_object: MemoryObject, mapping: ObjectMapping, va: number): 0 | Err {
    if (!(mapping instanceof VmMapEntry) || mapping.isCow) return EIO
    const { protection, map } = mapping
    const pfn = this.#device.mmap(mapping.pgoffOf(va) * PAGE_SIZE, protection)
    if (pfn < 0) return EIO
    const entered = pmapEnter(map.pmap, va, pfn as Pfn, protection, protection | PMAP_UNMANAGED | PMAP_CANFAIL)
    return isErr(entered) ? ENOMEM : 0
  }
  getTry(): Pfn | WouldSleep | Err {
    return EIO
  }
  *get(): Sleep<Err> {
    return EIO
  }
  pageDirtied(): void {}
}

const byTable = new WeakMap<ObjectTable, Map<MappableDevice, MemoryObject>>()

/**
 * The object of a device, with one reference more: one for each device, shared and counted.
 *
 * @param offset  bytes, as `size`
 * @returns null if some page of the range cannot be mapped with this protection
 * @manual udv_attach, uvm(9), NetBSD
 */
export function udvAttach(
  table: ObjectTable,
  device: MappableDevice,
  prot: number,
  offset: number,
  size: number,
): MemoryObject | null {
  if (offset < 0) return null
  for (let at = offset; at < offset + size; at += PAGE_SIZE) if (device.mmap(at, prot) < 0) return null
  let attached = byTable.get(table)
  if (attached === undefined) {
    attached = new Map()
    byTable.set(table, attached)
  }
  const known = attached.get(device)
  if (known !== undefined) {
    known.refs++
    return known
  }
  const object = new MemoryObject(table, new DevicePager(device, table, attached), device, Infinity)
  attached.set(device, object)
  return object
}
