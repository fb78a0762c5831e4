import { kassert } from '../../base/index.ts'
import { type Swap, type SwapDevice, SWSLOT_BAD } from './swap.ts'

export interface SwapRange {
  /** Number of the first slot. */
  readonly slot: number
  readonly count: number
}

/**
 * Allocates `n` neighbouring slots of one device.
 *
 * @param lessOk  if there are not so many together, one will do
 * @returns what was allocated, or null: swap is full, or in pieces
 * @manual uvm_swap_alloc, uvm(9), NetBSD
 */
export function uvmSwapAlloc(swap: Swap, n: number, lessOk: boolean): SwapRange | null {
  kassert(n > 0, 'a swap slot is asked for')
  for (const device of swap.devices) {
    const i = device.take(n)
    if (i < 0) continue
    rotate(swap, device)
    swap.swpginuse += n
    return { slot: device.first + i, count: n }
  }
  return lessOk && n > 1 ? uvmSwapAlloc(swap, 1, false) : null
}

/** The device that was used goes behind the others of its priority. */
function rotate(swap: Swap, device: SwapDevice): void {
  const others = swap.devices.filter((d) => d !== device)
  const behind = others.findLastIndex((d) => d.priority <= device.priority)
  others.splice(behind + 1, 0, device)
  swap.devices = others
}

/**
 * Gives slots back. The bad slot is nobody's: nothing happens.
 *
 * @param isOnlyCopy  the data was not in memory too (it is lost)
 * @manual uvm_swap_free, uvm(9), NetBSD
 */
export function uvmSwapFree(swap: Swap, slot: number, n: number, isOnlyCopy = false): void {
  if (slot === SWSLOT_BAD) return
  kassert(slot > 0, 'a swap slot that is freed exists', `${slot}`)
  const device = swap.deviceOf(slot)
  for (let i = slot; i < slot + n; i++) device.giveBack(i - device.first)
  swap.swpginuse -= n
  if (isOnlyCopy) swap.swpgonly -= n
}

/**
 * Slots that gave an error stay allocated for ever, so that nobody trusts them again.
 *
 * @manual uvm_swap_markbad, uvm(9), NetBSD
 */
export function uvmSwapMarkBad(swap: Swap, slot: number, n: number): void {
  swap.deviceOf(slot).bad += n
}
