// U-areas: kernel stack and process control block of a thread. Wired, writable, of undefined content.

import { kassert, type Sleep } from '../../base/index.ts'
import { UVM_KMF_WAITVA, UVM_KMF_WIRED } from './flags.ts'
import type { Km } from './km.ts'
import { uvmKmAlloc } from './uvmKmAlloc.ts'
import { uvmKmFree } from './uvmKmFree.ts'

/**
 * A u-area, best the one that was freed last on this CPU. Never fails.
 *
 * @returns its address; its content is undefined
 * @locks  sleeps for memory and addresses
 * @manual uvm_uarea_alloc, uvm_map(9), NetBSD
 */
export function* uvmUareaAlloc(km: Km): Sleep<number> {
  const { uareas, vm } = km
  const cached = uareas.take(vm.machine.current.cpu.id)
  if (cached !== 0) return cached
  return yield* uvmKmAlloc(km.map, uareas.bytes, uareas.align, UVM_KMF_WIRED | UVM_KMF_WAITVA)
}

/**
 * Keeps a u-area for the next thread of this CPU. Its pages go back when memory is short (uvmUareaDrain).
 *
 * @manual uvm_uarea_free, uvm_map(9), NetBSD
 */
export function uvmUareaFree(km: Km, uarea: number): void {
  const { uareas, map, vm } = km
  kassert(uarea % (uareas.align || 4096) === 0 && map.lookup(uarea) !== null, 'what is freed is a u-area', `${uarea}`)
  uareas.put(vm.machine.current.cpu.id, uarea)
}

/**
 * The same for a kernel thread. There is no special routine for those here: it is the same cache.
 *
 * @manual uvm_uarea_system_alloc, uvm_map(9), NetBSD
 */
export function uvmUareaSystemAlloc(km: Km): Sleep<number> {
  return uvmUareaAlloc(km)
}

/** @manual uvm_uarea_system_free, uvm_map(9), NetBSD */
export function uvmUareaSystemFree(km: Km, uarea: number): void {
  uvmUareaFree(km, uarea)
}

/** Gives the pages and addresses of all cached u-areas back. @returns pages freed */
export function* uvmUareaDrain(km: Km): Sleep<number> {
  const { uareas } = km
  const all = uareas.takeAll()
  for (const va of all) yield* uvmKmFree(km.map, va, uareas.bytes, UVM_KMF_WIRED)
  return (all.length * uareas.bytes) / 4096
}
