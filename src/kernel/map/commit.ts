import { MiB, PAGE_SIZE } from '../../base/index.ts'
import type { Vm } from './vm.ts'
import type { VmSpace } from './vmSpace.ts'

/** vm.overcommit_…: how much memory may be promised (Linux specification 1.4). */
export class CommitPolicy {
  /** 0: no single request above all memory. 1: everything. 2: the sum stays below a limit. */
  mode = 0
  /** Percent of RAM, where `kbytes` is 0. */
  ratio = 50
  kbytes = 0
  /** Pages promised to all; bound at boot. Asked in mode 2 only. */
  committed: () => number = () => 0

  /** Is shared memory promised whole when it is made? In mode 2 nobody may ask for less. */
  promisesWhole(noReserve: boolean): boolean {
    return !noReserve || this.mode === OVERCOMMIT_NEVER
  }
}
export const OVERCOMMIT_ALWAYS = 1
export const OVERCOMMIT_NEVER = 2

/** What mode 2 leaves to one process of user 0 at most: a 32nd part of itself, and 128 MiB. */
const RESERVE_MOST = 128 * MiB

/** CommitLimit of /proc/meminfo, bytes. */
export function commitLimit({ commit, phys, anons }: Vm): number {
  const ram =
    commit.kbytes > 0 ? commit.kbytes * 1024 : Math.floor((phys.totalramPages * commit.ratio) / 100) * PAGE_SIZE
  return ram + (anons.swap?.swpages ?? 0) * PAGE_SIZE
}

/** May so many more bytes be promised to this address space? @manual proc_sys_vm(5), overcommit_memory */
export function mayCommit(space: VmSpace, length: number): boolean {
  return mayPromise(space.vm, length, Math.min(Math.floor(space.map.size / PAGE_SIZE / 32) * PAGE_SIZE, RESERVE_MOST))
}
/** The same where no address space asks; `reserve` bytes are to be left in mode 2. */
export function mayPromise(vm: Vm, length: number, reserve = 0): boolean {
  const { commit, phys, anons } = vm
  if (commit.mode === OVERCOMMIT_ALWAYS) return true
  if (commit.mode !== OVERCOMMIT_NEVER) return length <= (phys.totalramPages + (anons.swap?.swpages ?? 0)) * PAGE_SIZE
  return commit.committed() * PAGE_SIZE + length < commitLimit(vm) - reserve
}
