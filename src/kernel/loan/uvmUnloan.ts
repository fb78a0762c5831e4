import { kassert, type Pfn } from '../../base/index.ts'
import { anonLent, anonUnref } from '../anon/index.ts'
import type { Vm } from '../map/index.ts'
import { putPage } from '../phys/index.ts'
import { UVM_LOAN_TOANON } from './uvmLoan.ts'

/**
 * Gives back what uvmLoan answered. A page that its owner has left is free with the last loan.
 *
 * @param flags  the kind that it was lent as
 * @manual uvm_unloan, uvm(9), NetBSD
 */
export function uvmUnloan(vm: Vm, lent: readonly number[], n: number, flags: number): void {
  const { anons, phys } = vm
  const { frames } = phys
  for (let i = 0; i < n; i++) {
    if ((flags & UVM_LOAN_TOANON) !== 0) {
      anonLent(anons, lent[i]!, -1)
      anonUnref(anons, lent[i]!)
      continue
    }
    const pfn = lent[i] as Pfn
    const f = frames.indexOf(pfn)
    kassert(frames.loanCount[f]! > 0, 'a loan is given back once', `pfn ${pfn}`)
    frames.loanCount[f] = frames.loanCount[f]! - 1
    putPage(phys, pfn)
  }
}
