import { EIO, type Err, PAGE_SIZE, type Pfn, type Sleep, sleepOn, WaitQueue } from '../../base/index.ts'
import { NR_WRITTEN } from '../phys/index.ts'
import { type Swap, SWSLOT_BAD } from './swap.ts'

/**
 * Begins to read one page back. The slot stays allocated. The page's frame stays the caller's until `done`.
 *
 * @param done  called from the clock with 0, or EIO: the page's bytes are undefined
 */
export function uvmSwapGetStart(swap: Swap, page: Pfn, slot: number, done: (error: 0 | Err) => void): void {
  const { disk, first } = swap.deviceOf(slot)
  const memory = swap.phys.machine.memory!
  swap.nswget++
  swap.swpgonly--
  disk.read((slot - first) * PAGE_SIZE, PAGE_SIZE, (error, bytes) => {
    if (error === 0) {
      memory.u8.set(bytes, memory.frameOffset(page))
      swap.phys.events.add('pswpin')
      swap.phys.events.add('pgpgin', PAGE_SIZE / 1024)
    } else swap.swpgonly++
    done(error)
  })
}

/**
 * Reads one page back, and waits for it. The slot stays allocated: the page is clean while nobody writes to it.
 *
 * @errors EIO  the device failed, or the slot is the bad one; the page's bytes are undefined
 * @locks  sleeps until the device has answered
 * @manual uvm_swap_get, uvm(9), NetBSD
 */
export function* uvmSwapGet(swap: Swap, page: Pfn, slot: number): Sleep<0 | Err> {
  if (slot === SWSLOT_BAD) {
    swap.nswget++
    return EIO
  }
  const queue = new WaitQueue('swapget')
  let result: 0 | Err | null = null
  uvmSwapGetStart(swap, page, slot, (error) => {
    result = error
    queue.wakeAll()
  })
  while (result === null) yield* sleepOn(queue)
  return result
}

/**
 * Begins to write pages to neighbouring slots. Their bytes are taken now.
 *
 * @param done  called from the clock with 0, or EIO: nothing of them has been written
 */
export function uvmSwapPutStart(
  swap: Swap,
  slot: number,
  pages: readonly number[],
  done: (error: 0 | Err) => void,
): void {
  const { disk, first } = swap.deviceOf(slot)
  const memory = swap.phys.machine.memory!
  const bytes = new Uint8Array(pages.length * PAGE_SIZE)
  for (let i = 0; i < pages.length; i++) {
    const from = memory.frameOffset(pages[i]!)
    bytes.set(memory.u8.subarray(from, from + PAGE_SIZE), i * PAGE_SIZE)
  }
  disk.write((slot - first) * PAGE_SIZE, bytes, (error) => {
    if (error === 0) {
      swap.phys.events.add('pswpout', pages.length)
      for (const page of pages) swap.phys.zoneOfPfn(page).stat[NR_WRITTEN]!++
      swap.phys.events.add('pgpgout', (pages.length * PAGE_SIZE) / 1024)
    }
    done(error)
  })
}

/**
 * Writes pages to neighbouring slots, and waits for it.
 *
 * @manual uvm_swap_put, uvm(9), NetBSD
 */
export function* uvmSwapPut(swap: Swap, slot: number, pages: readonly number[]): Sleep<0 | Err> {
  const queue = new WaitQueue('swapput')
  let result: 0 | Err | null = null
  uvmSwapPutStart(swap, slot, pages, (error) => {
    result = error
    queue.wakeAll()
  })
  while (result === null) yield* sleepOn(queue)
  return result
}
