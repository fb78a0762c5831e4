// A device, as far as memory goes: what it can address, the DMA pools and the resources that die with its driver.

import { kassert } from '../../base/index.ts'
import type { Err, OrErr, Sleep } from '../../base/index.ts'
import type { DmaPool } from './dmaPool.ts'
import { assertMaySleep } from './context.ts'
import type { Pools } from './pools.ts'

export interface DeviceConfig {
  /** Highest bus address the device can name; no limit if absent. */
  readonly coherentMask?: number
  /** Bus address of physical address 0; 0 if absent. */
  readonly busOffset?: number
}

export class Device {
  readonly name: string
  readonly coherentMask: number
  readonly busOffset: number
  /** Newest first. Guarded by the registration mutex of `Pools`. */
  readonly dmaPools: DmaPool[] = []
  /** Attribute files: name, and what reading one gives. */
  readonly files = new Map<string, () => string>()
  /** Managed resources, in order of attachment. */
  readonly resources: DeviceResource[] = []
  constructor(name: string, config: DeviceConfig = {}) {
    this.name = name
    this.coherentMask = config.coherentMask ?? Infinity
    this.busOffset = config.busOffset ?? 0
  }
}

/** Something that is released when the driver of its device detaches. */
export interface DeviceResource {
  readonly name: string
  /** What it stands for; how its owner finds it again. */
  readonly subject: object
  release(): Sleep<void>
}

/** Makes and removes a device's attribute files. May sleep, may fail: it is a file system's business. */
export interface DeviceFiles {
  create(device: Device, name: string, show: () => string): Sleep<OrErr<0>>
  remove(device: Device, name: string): Sleep<void>
}

/** The files as a table of the device; the /sys room reads it. */
export const plainDeviceFiles: DeviceFiles = {
  *create(device: Device, name: string, show: () => string): Sleep<0 | Err> {
    device.files.set(name, show)
    return 0
  },
  *remove(device: Device, name: string): Sleep<void> {
    device.files.delete(name)
  },
}

/** Attaches a resource; the last one attached is the first one released. */
export function attachResource(device: Device, resource: DeviceResource): void {
  device.resources.push(resource)
}

/** Takes the newest resource of that name and subject off the device without releasing it; null if there is none. */
export function removeResource(device: Device, name: string, subject: object): DeviceResource | null {
  const at = device.resources.findLastIndex((resource) => resource.name === name && resource.subject === subject)
  return at < 0 ? null : device.resources.splice(at, 1)[0]!
}

/**
 * The driver detaches, or its probe failed: every resource is released, in reverse order of attachment. A resource
 * attached by a release is released too.
 *
 * @locks   may sleep
 * @manual  devres_release_all, Linux (driver-model/devres)
 */
export function* deviceDetach(pools: Pools, device: Device): Sleep<void> {
  assertMaySleep(pools, 'deviceDetach')
  for (;;) {
    const resource = device.resources.pop()
    if (resource === undefined) return
    kassert(!device.resources.includes(resource), 'a resource is attached once', resource.name)
    yield* resource.release()
  }
}
