import type { Err, Sleep } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { VmMap } from './vmMap.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * Who is told of faults of an entry and makes its pages: a userfaultfd. The map room keeps and compares it, and tells it
 * what goes; the fault routine waits for it.
 *
 * A listener that wants to hear of what happens to its ranges puts news on `map.news`: whoever holds the map lock gives
 * it up first and then delivers them.
 *
 * @manual userfaultfd(2), Linux
 */
export interface FaultListener {
  /** Stores to protected pages are not told of: they only end the protection. */
  readonly isAsync: boolean
  /**
   * Tells of a fault and sleeps until it may have been seen to; then everything is looked at again.
   *
   * @param address  the byte
   * @param kind     VM_UFFD_MISSING, VM_UFFD_WP or VM_UFFD_MINOR
   * @errors EINVAL nobody will see to it (SIGBUS); EINTR a signal came first
   */
  wait(space: VmSpace, address: number, access: number, kind: number): Sleep<0 | Err>
  /** Is a store to the page something to be told of? */
  isProtected(va: number): boolean
  /** Stores to the page are told of from now on, or no longer. */
  setProtected(va: number, isOn: boolean): void
  /** Takes write permission from the protected pages of a range again, after something gave it. */
  protectAgain(space: VmSpace, start: number, end: number): void
  /** The pages of a range are gone, and what was known of them: the range is unmapped, or its private pages dropped. */
  forget(start: number, end: number): void

  // Under the map lock. What is to be told goes on `map.news`.
  /** A range is about to be unmapped by its process. */
  unmapped(start: number, end: number): void
  /** The pages of a range have another address now. True if the listener goes along and listens there. */
  moved(from: number, to: number, bytes: number): boolean
  /** A child is made that inherits the range: who listens in it, or null for nobody. */
  inherited(child: VmSpace, start: number, end: number): FaultListener | null
  /** The pages of a range are about to be dropped: what must be told before, or null. */
  removing(start: number, end: number): FaultNews | null
}

/** Something that a listener must hear of before its cause goes on. Exactly one of the two is called. */
export interface FaultNews {
  /** Sleeps until it has been heard; no map lock is held. */
  tell(): Sleep<void>
  /** It has not happened after all. */
  cancel(): void
}

/**
 * The listeners of `[start, end)` hear that the range goes; each once, with the whole of it.
 *
 * @param first  the first entry of the range
 */
export function tellUnmapped(first: VmMapEntry | null, start: number, end: number): void {
  let told = null as FaultListener[] | null
  for (let e = first; e !== null && e.start < end; e = e.next) {
    if (e.listener === null || told?.includes(e.listener) === true) continue
    told ??= []
    told.push(e.listener)
    e.listener.unmapped(start, end)
  }
}

/** Takes the news from a map, which is still locked. */
export function takeNews(map: VmMap): readonly FaultNews[] {
  const { news } = map
  if (news.length > 0) map.news = []
  return news
}
