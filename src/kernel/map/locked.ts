import type { Sleep } from '../../base/index.ts'
import { takeNews } from './faultListener.ts'
import type { VmMap } from './vmMap.ts'

/**
 * Runs `body`, which does not sleep, with the map write-locked; sleeps for the lock, and afterwards until those who listen
 * have heard what it did.
 */
export function* locked<T>(map: VmMap, body: () => T): Sleep<T> {
  const owner = {}
  if (!map.lock.tryWrite(owner)) yield* map.lock.write(owner)
  const result = body()
  const news = takeNews(map)
  map.lock.unlockWrite()
  if (news.length > 0) for (const one of news) yield* one.tell()
  return result
}
