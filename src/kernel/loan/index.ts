/**
 * loan: pages lent without a copy, to the kernel or to another map. The fault routine breaks a loan when its owner stores.
 *
 * Invariants:
 * - every loan of a page is one of its references, and one in its loan count;
 * - no translation of a loaned page allows stores;
 * - a page that has neither an owner nor a loan is free.
 *
 * Locks: none held between calls; lending sleeps where pages are brought in. Manual: uvm(9), NetBSD.
 */
export { UVM_LOAN_TOANON, UVM_LOAN_TOPAGE, uvmLoan } from './uvmLoan.ts'
export { uvmUnloan } from './uvmUnloan.ts'
