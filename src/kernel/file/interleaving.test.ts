// Every sleep is a place where somebody else may run: tasks on one host file, woken in an order that a seed decides.

import { describe, expect, it } from 'vitest'
import { EINVAL, isErr, kassert, PAGE_SIZE, Rng, type Pfn, type Sleep, type WakeReason } from '../../base/index.ts'
import { O_RDWR } from './constants.ts'
import { filePread, filePwrite } from './fileIo.ts'
import { HostFs } from './hostFs.ts'
import { KernelUio, readBytes } from './kernelUio.ts'
import { mount } from './mount.ts'
import { fileSync, shrinkFileCache } from './sync.ts'
import { makeTestSystem, ok, open, run, sameBytes, type TestSystem } from './testFiles.ts'
import { TestHost } from './testHost.ts'
import { makeDirectory } from './tree.ts'
import { truncateVnode } from './truncate.ts'
import { verifyVnode } from './verify.ts'

/** Runs all to their end. Time passes when nobody can run. */
function runTogether(system: TestSystem, rng: Rng, tasks: Sleep<void>[], between: () => void): void {
  const { clock } = system.machine
  const ready = tasks.map((task) => ({ task, reason: 'woken' as WakeReason }))
  let sleeping = 0
  for (;;) {
    if (ready.length === 0) {
      if (sleeping === 0) return
      kassert(clock.nextAt !== Infinity, 'sleeping tasks are woken')
      clock.advanceTo(clock.nextAt)
      continue
    }
    const [{ task, reason }] = ready.splice(rng.below(ready.length), 1) as [(typeof ready)[0]]
    const step = task.next(reason)
    between()
    if (step.done === true) continue
    sleeping++
    const { queue, deadline } = step.value
    let isAsleep = true
    const wake = (why: WakeReason): void => {
      if (!isAsleep) return
      isAsleep = false
      sleeping--
      ready.push({ task, reason: why })
    }
    queue?.join({ wake })
    if (deadline !== Infinity) clock.at(deadline, () => wake('timeout'))
  }
}

describe('one host file, used by many at once', () => {
  it('keeps every write, for 40 seeds', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const rng = new Rng(seed)
      const system = makeTestSystem()
      const { files } = system
      const host = new TestHost()
      const SIZE = 40 * PAGE_SIZE
      host.put('f', new Uint8Array(SIZE).fill(1))
      const at = ok(makeDirectory(files, system.context, '/h', 0o755))
      mount(files, new HostFs(files, host, { isReadOnly: false }), at)
      const file = open(system, '/h/f', O_RDWR)
      const object = file.vnode.object!
      const model = new Uint8Array(SIZE).fill(1)

      // Each writer has bytes of its own in every page, so that the order of writes does not matter.
      function* writer(id: number): Sleep<void> {
        for (let i = 0; i < 20; i++) {
          const position = rng.below(40) * PAGE_SIZE + id * 16
          const bytes = new Uint8Array(16).fill(10 * id + (i % 10))
          expect(yield* filePwrite(file, new KernelUio(files, bytes), position)).toBe(16)
          model.set(bytes, position)
        }
      }
      function* reader(): Sleep<void> {
        for (let i = 0; i < 20; i++) {
          const uio = new KernelUio(files, new Uint8Array(3 * PAGE_SIZE))
          expect(isErr(yield* filePread(file, uio, rng.below(37) * PAGE_SIZE))).toBe(false)
        }
      }
      function* faulter(): Sleep<void> {
        for (let i = 0; i < 20; i++) {
          const pgoff = rng.below(44)
          const page = yield* object.pager.get(object, pgoff, 2)
          if (page === EINVAL) {
            expect(pgoff * PAGE_SIZE).toBeGreaterThanOrEqual(object.sizeBytes)
            continue
          }
          // What get answers is true until the next sleep.
          expect(object.pageAt(pgoff)).toBe(page)
          object.pager.pageDirtied(object, pgoff, page as Pfn)
        }
      }
      function* syncer(): Sleep<void> {
        for (let i = 0; i < 5; i++) {
          expect(yield* fileSync(file)).toBe(0)
          shrinkFileCache(files, rng.below(20))
        }
      }
      // The end moves beyond what is written, and back.
      function* truncater(): Sleep<void> {
        for (let i = 0; i < 10; i++)
          expect(yield* truncateVnode(files, file.vnode, SIZE + rng.below(4 * PAGE_SIZE))).toBe(0)
        expect(yield* truncateVnode(files, file.vnode, SIZE)).toBe(0)
      }
      const tasks = [writer(1), writer(2), writer(3), reader(), reader(), faulter(), syncer(), truncater()]
      runTogether(system, rng, tasks, () => {
        if (!file.vnode.lock.isHeld) verifyVnode(files, file.vnode)
      })
      expect(sameBytes(ok(run(system, readBytes(file, 0, 2 * SIZE))), model), `seed ${seed}`).toBe(true)
      expect(run(system, fileSync(file))).toBe(0)
      expect(sameBytes(host.durableBytes('f'), model), `seed ${seed}`).toBe(true)
    }
  })
})
