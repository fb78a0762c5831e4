import { ENOMEM, kassert, pfn as asPfn, type Err } from '../../base/index.ts'
import { drain, interruptAll } from './shootdown.ts'
import { freeUserTables, takeTable } from './tables.ts'
import { Pmap, type Pmaps } from './pmaps.ts'

/**
 * An empty address space that shares the kernel's half; one reference.
 *
 * @errors ENOMEM  no frame for the root
 * @manual pmap_create, pmap(9), NetBSD
 */
export function pmapCreate(room: Pmaps): Pmap | Err {
  const root = takeTable(room)
  if (root < 0) return ENOMEM
  const { memory, kernel } = room
  const half = room.format.entriesPerTable * 4
  const from = memory.frameOffset(kernel.root) + half
  memory.u8.copyWithin(memory.frameOffset(root) + half, from, from + half)
  return new Pmap(room, asPfn(root))
}

/** @manual pmap_reference, pmap(9), NetBSD */
export function pmapReference(pmap: Pmap): void {
  kassert(pmap.refs > 0, 'a pmap that is referenced exists')
  pmap.refs++
}

/**
 * Drops a reference. The last one frees the page tables; by then there are no mappings and no CPU runs it. A CPU that
 * has it loaded under a kernel thread goes over to the kernel's root.
 *
 * @manual pmap_destroy, pmap(9), NetBSD
 */
export function pmapDestroy(pmap: Pmap): void {
  const { room } = pmap
  kassert(pmap.refs > 0, 'a pmap is not destroyed twice')
  kassert(!pmap.isKernel, 'the kernel pmap stays')
  if (pmap.refs > 1) {
    pmap.refs--
    return
  }
  kassert(pmap.residentCount === 0, 'a destroyed pmap maps nothing', `${pmap.residentCount} pages`)
  kassert(pmap.onProc === 0, 'a destroyed pmap runs on no CPU', `${pmap.onProc}`)
  pmap.refs = 0
  const { machine } = room
  const here = machine.current.cpu
  drain(room, here)
  unload(pmap)
  freeUserTables(pmap)
  room.byId[pmap.id] = null
  room.freeIds.push(pmap.id)
}

/** No CPU keeps the root loaded, none keeps an ASID for it. The ASIDs stay used: the TLBs may still hold them. */
function unload(pmap: Pmap): void {
  const { room } = pmap
  const { machine } = room
  const here = machine.current.cpu
  let loadedOn = 0
  for (const cpu of machine.cpus) if (room.cpus[cpu.id].loaded === pmap) loadedOn |= 1 << cpu.id
  const leave = () => {
    const { cpu } = machine.current
    cpu.mmu.setRoot(room.format, room.kernel.root, 0)
    room.cpus[cpu.id].loaded = null
  }
  interruptAll(room, here, loadedOn & ~(1 << here.id), () => {
    leave()
    room.pendingCpus--
  })
  if ((loadedOn & (1 << here.id)) !== 0) leave()
  for (const cpu of machine.cpus) {
    const asid = pmap.asid[cpu.id]
    if (asid === 0) continue
    room.cpus[cpu.id].asids.owner[asid] = null
    pmap.asid[cpu.id] = 0
  }
  pmap.active = 0
  pmap.lazy = 0
}
