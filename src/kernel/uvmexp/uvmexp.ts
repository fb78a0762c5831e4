// What UVM exports of its state (uvm specification 4.1): one record, made when it is asked for.

import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from '../../base/index.ts'
import type { Vm } from '../map/index.ts'
import { freeCount } from '../phys/index.ts'
import { countFilePages, type UvmPageDaemon } from '../reclaim/index.ts'

/** Counted outside memory management; what nobody counts is 0. */
export interface SystemCounts {
  readonly traps?: number
  readonly intrs?: number
  readonly swtch?: number
  readonly softs?: number
  readonly syscalls?: number
  readonly forks_ppwait?: number
  readonly forks_sharevm?: number
}

export type Uvmexp = ReturnType<typeof uvmexp>

/**
 * The counters and gauges of a system, under NetBSD's names. Pages unless the name says otherwise. `pgswapin` is always 0,
 * as in the reference; there is no zeroing of idle pages, and one page colour.
 *
 * @param daemon  null: nothing is ever paged out
 * @manual uvm(9), NetBSD
 */
export function uvmexp(vm: Vm, daemon: UvmPageDaemon | null, system: SystemCounts = {}) {
  const { stats, phys, anons } = vm
  const { swap } = anons
  const { filepages, execpages } = countFilePages(vm)
  const colors = vm.search.colors
  return {
    pagesize: PAGE_SIZE,
    pagemask: PAGE_MASK,
    pageshift: PAGE_SHIFT,
    ncolors: colors,
    colormask: colors - 1,
    npages: phys.totalramPages,
    free: freeCount(phys),
    active: daemon?.policy.active ?? 0,
    inactive: daemon?.policy.inactive ?? 0,
    paging: daemon?.paging ?? 0,
    wired: vm.wiredPages,
    zeropages: 0,
    reserve_pagedaemon: daemon?.reservePagedaemon ?? 0,
    reserve_kernel: daemon?.reserveKernel ?? 0,
    anonpages: anons.residentPages,
    filepages,
    execpages,
    freemin: daemon?.freemin ?? 0,
    freetarg: daemon?.freetarg ?? 0,
    inactarg: 0,
    wiredmax: vm.wiredMax,
    nswapdev: swap?.nswapdev ?? 0,
    swpages: swap?.swpages ?? 0,
    swpgavail: swap?.swpgavail ?? 0,
    swpginuse: swap?.swpginuse ?? 0,
    swpgonly: swap?.swpgonly ?? 0,
    nswget: swap?.nswget ?? 0,
    faults: stats.faults,
    traps: system.traps ?? 0,
    intrs: system.intrs ?? 0,
    swtch: system.swtch ?? 0,
    softs: system.softs ?? 0,
    syscalls: system.syscalls ?? 0,
    pageins: stats.pageins,
    pgswapin: 0,
    pgswapout: daemon?.events.pgswapout ?? 0,
    forks: stats.forks,
    forks_ppwait: system.forks_ppwait ?? 0,
    forks_sharevm: system.forks_sharevm ?? 0,
    pga_zerohit: 0,
    pga_zeromiss: 0,
    zeroaborts: 0,
    colorhit: 0,
    colormiss: 0,
    cpuhit: 0,
    cpumiss: 0,
    fltnoram: stats.fltnoram,
    fltnoanon: stats.fltnoanon,
    fltpgwait: stats.fltpgwait,
    fltpgrele: 0,
    fltrelck: stats.fltrelck,
    fltrelckok: stats.fltrelckok,
    fltanget: stats.fltanget,
    fltanretry: stats.fltanretry,
    fltamcopy: stats.fltamcopy,
    fltnamap: stats.fltnamap,
    fltnomap: stats.fltnomap,
    fltlget: stats.fltlget,
    fltget: stats.fltget,
    flt_anon: stats.flt_anon,
    flt_acow: stats.flt_acow,
    flt_obj: stats.flt_obj,
    flt_prcopy: stats.flt_prcopy,
    flt_przero: stats.flt_przero,
    pdwoke: daemon?.events.pdwoke ?? 0,
    pdrevs: daemon?.events.pdrevs ?? 0,
    pdfreed: daemon?.events.pdfreed ?? 0,
    pdscans: daemon?.policy.events.pdscans ?? 0,
    pdanscan: daemon?.events.pdanscan ?? 0,
    pdobscan: daemon?.events.pdobscan ?? 0,
    pdreact: daemon?.policy.events.pdreact ?? 0,
    pdbusy: daemon?.events.pdbusy ?? 0,
    pdpageouts: daemon?.events.pdpageouts ?? 0,
    pdpending: daemon?.events.pdpending ?? 0,
    pddeact: daemon?.policy.events.pddeact ?? 0,
    pdreanon: daemon?.policy.events.pdreanon ?? 0,
    pdrefile: daemon?.policy.events.pdrefile ?? 0,
    pdreexec: daemon?.policy.events.pdreexec ?? 0,
  }
}
