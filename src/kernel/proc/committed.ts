import { Vnode } from '../file/index.ts'
import { VM_ACCOUNT } from '../map/index.ts'
import { globalStat, NR_SHMEM } from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { allSpaces } from './spaces.ts'

/**
 * Pages promised to programs, Committed_AS: private memory that is accounted for; shared memory that was promised whole
 * when it was made; of other files in memory, the pages that they have.
 */
export function committedPages(kernel: Kernel): number {
  let pages = globalStat(kernel.phys, NR_SHMEM)
  for (const space of allSpaces(kernel))
    for (const entry of space.map.entries()) if ((entry.vmFlags & VM_ACCOUNT) !== 0) pages += entry.pageCount
  for (const { backing } of kernel.vm.objects.byId.values())
    if (backing instanceof Vnode && backing.promisedPages > 0) pages += backing.promisedPages - backing.object!.nrPages
  return pages
}
