import type { Sleep } from '../../base/index.ts'
import type { VmMap } from './vmMap.ts'

/** Runs `body`, which does not sleep, with the map write-locked; sleeps for the lock. */
export function* locked<T>({ lock }: VmMap, body: () => T): Sleep<T> {
  yield* lock.write({})
  const result = body()
  lock.unlockWrite()
  return result
}
