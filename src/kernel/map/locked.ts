import type { Sleep } from '../../base/index.ts'
import type { VmSpace } from './vmSpace.ts'

/** Runs `body`, which does not sleep, with the map write-locked. */
export function* locked<T>(space: VmSpace, body: () => T): Sleep<T> {
  const { lock } = space.map
  yield* lock.write({})
  const result = body()
  lock.unlockWrite()
  return result
}
