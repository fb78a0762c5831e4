// The kernel's own address space: one map over the kernel map's window, and the object behind its pageable part.

import { kassert } from '../../base/index.ts'
import { UAO_FLAG_KERNOBJ, uaoCreate } from '../anon/index.ts'
import { netbsd, type Vm, VmMap } from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { pmapVirtualSpace } from '../pmap/index.ts'
import { UareaCache } from './uareaCache.ts'

export interface KmOptions {
  /** Bytes of a u-area (USPACE), whole pages. */
  readonly uareaBytes?: number
  /** Bytes (USPACE_ALIGN), a power of two; 0: pages. */
  readonly uareaAlign?: number
}

/** State of the room. */
export class Km {
  readonly vm: Vm
  /** kernel_map */
  readonly map: VmMap
  /** uvm_kernel_object: page i of it is the page at kernel_map's start + i pages. */
  readonly object: MemoryObject
  readonly uareas: UareaCache

  constructor(vm: Vm, options: KmOptions = {}) {
    kassert(vm.kernelMap === null, 'a system has one kernel map')
    const window = pmapVirtualSpace(vm.pmaps)
    this.vm = vm
    this.map = new VmMap(vm, vm.pmaps.kernel, netbsd, window.start, window.end)
    this.object = uaoCreate(vm.anons, vm.objects, window.end - window.start, UAO_FLAG_KERNOBJ)
    vm.kernelMap = this.map
    vm.kernelObject = this.object
    this.uareas = new UareaCache(vm.machine.cpus.length, options.uareaBytes ?? 2 * 4096, options.uareaAlign ?? 0)
  }
}
