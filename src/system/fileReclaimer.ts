// Where memory comes from when it runs out: pages of files that can be read again. There is no page daemon yet, so
// whoever needs a frame reclaims for himself; anonymous memory stays, for want of swap.

import type { Err, Pfn, Sleep } from '../base/index.ts'
import { type Files, shrinkFileCache, syncAll } from '../kernel/file/index.ts'
import type { Migrator } from '../kernel/migrate/index.ts'
import type { MigrateMode, Reclaimer } from '../kernel/phys/index.ts'

/** Pages freed in one go, as the allocator expects. */
const BATCH = 32

export class FileReclaimer implements Reclaimer {
  readonly #files: Files
  readonly #migrator: Migrator
  constructor(files: Files, migrator: Migrator) {
    this.#files = files
    this.#migrator = migrator
  }
  wake(): boolean {
    return false
  }
  /**
   * Clean pages first; if these are few, dirty ones are written out, and then are clean. Were they left alone, the few
   * clean ones, a program's own code, would be thrown out and read again for ever.
   */
  *directReclaim(): Sleep<number> {
    const freed = shrinkFileCache(this.#files, BATCH)
    if (freed === BATCH) return freed
    yield* syncAll(this.#files)
    return freed + shrinkFileCache(this.#files, BATCH - freed)
  }
  *zoneReclaim(): Sleep<number> {
    return shrinkFileCache(this.#files, BATCH)
  }
  /** Nobody is chosen: who cannot get a frame is ended by his own fault or call. */
  *outOfMemory(): Sleep<boolean> {
    return false
  }
  drainLru(): void {
    this.#migrator.drainLru()
  }
  isolateLru(pfn: Pfn): boolean {
    return this.#migrator.isolateLru(pfn)
  }
  putBackLru(pfn: Pfn): void {
    this.#migrator.putBackLru(pfn)
  }
  reclaimClean(pfn: Pfn): Sleep<boolean> {
    return this.#migrator.reclaimClean(pfn)
  }
  migrate(from: Pfn, to: Pfn, mode: MigrateMode, force: boolean): Sleep<0 | Err> {
    return this.#migrator.migrate(from, to, mode, force)
  }
  zoneDirtyOk(): boolean {
    return true
  }
}
