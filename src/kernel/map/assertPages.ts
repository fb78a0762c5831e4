import { isPageAligned, kassert } from '../../base/index.ts'

/** A range of uvm_map(9) is whole pages; whoever asks for a program has rounded it. */
export function assertPages(start: number, end: number): void {
  kassert(isPageAligned(start) && isPageAligned(end), 'a range of a map is whole pages', `${start} to ${end}`)
}
