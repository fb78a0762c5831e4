// Private and shared memory under pressure, beside a model that remembers every byte.

import { describe, expect, it } from 'vitest'
import { Rng } from '../../src/base/index.ts'
import type { Process } from '../../src/kernel/process/index.ts'
import { A, ANON, Caller, FIXED, PAGE, PROT_RW, SHARED } from '../process/caller.ts'

const PAGES = 1600
const SHARED_PAGES = 300
const SHARED_AT = A + 0x1000_0000
const [DONTNEED, FREE, COLD, PAGEOUT] = [4, 8, 20, 21]

/** What a process must find in each private page; `lazy`: given up, zero unless it is still there. */
interface Model {
  readonly process: Process
  readonly bytes: Uint8Array
  readonly lazy: Uint8Array
}

function play(seed: number, steps: number): string {
  const c = new Caller({ memory: '6M', swap: '12M', seed })
  const rng = new Rng(seed)
  c.mmap(A, PAGES, PROT_RW)
  c.mmap(SHARED_AT, SHARED_PAGES, PROT_RW, SHARED | ANON | FIXED)
  const shared = new Uint8Array(SHARED_PAGES)
  const models: Model[] = [{ process: c.process, bytes: new Uint8Array(PAGES), lazy: new Uint8Array(PAGES) }]
  const check = (model: Model, page: number): void => {
    const found = c.peek(A + page * PAGE + 5, 1)[0]!
    if (model.lazy[page] !== 0 && found === 0) model.bytes[page] = 0
    expect(found, `seed ${seed}, page ${page}`).toBe(model.bytes[page])
  }
  for (let step = 0; step < steps; step++) {
    const model = rng.pick(models)
    const { bytes, lazy } = model
    c.process = model.process
    const page = rng.below(PAGES)
    const count = 1 + rng.below(Math.min(60, PAGES - page))
    const range = (advice: number): void =>
      expect(c.ask('madvise', A + page * PAGE, count * PAGE, advice)).toBe('ok') as void
    const kind = rng.below(100)
    if (kind < 45) {
      const byte = 1 + rng.below(255)
      for (let i = page; i < page + count; i++) {
        c.poke(A + i * PAGE + 5, Uint8Array.of(byte))
        bytes[i] = byte
        lazy[i] = 0
      }
    } else if (kind < 70) for (let i = page; i < page + count; i++) check(model, i)
    else if (kind < 76) {
      range(DONTNEED)
      bytes.fill(0, page, page + count)
      lazy.fill(0, page, page + count)
    } else if (kind < 80) {
      range(FREE)
      lazy.fill(1, page, page + count)
    } else if (kind < 84) range(PAGEOUT)
    else if (kind < 86) range(COLD)
    else if (kind < 94) {
      const at = rng.below(SHARED_PAGES)
      expect(c.peek(SHARED_AT + at * PAGE, 1)[0]).toBe(shared[at])
      shared[at] = rng.below(256)
      c.poke(SHARED_AT + at * PAGE, Uint8Array.of(shared[at]!))
      if (rng.below(4) === 0) c.call('madvise', SHARED_AT, SHARED_PAGES * PAGE, PAGEOUT)
    } else if (kind < 97 && models.length === 1) {
      // What is given up may go for both at different times: the model knows each by itself.
      const pid = c.call('clone', 17)
      const process = c.system.rooms.kernel.processes.byPid.get(pid)!
      // It spins where its parent does.
      process.threads[0]!.regs.pc = c.thread.regs.pc
      models.push({ process, bytes: bytes.slice(), lazy: lazy.slice() })
    } else if (kind < 98 && models.length > 1) {
      const child = models.pop()!
      c.process = models[0]!.process
      c.call('kill', child.process.pid, 9)
      c.system.step(200_000)
      c.call('wait4', child.process.pid, 0, 0, 0)
    }
    if (step % 150 === 149) c.system.verify()
  }
  for (const model of models) {
    c.process = model.process
    for (let i = 0; i < PAGES; i++) check(model, i)
  }
  c.system.verify()
  const { events } = c.system.rooms.kernel.phys
  expect(events.get('pswpin')).toBeGreaterThan(50)
  return ['pswpin', 'pswpout', 'pgscan_direct', 'pgsteal_kswapd', 'oom_kill'].map((name) => events.get(name)).join()
}

describe('memory under pressure', () => {
  it.each([1, 2, 3])('holds what was stored, whatever goes to swap and comes back (seed %i)', (seed) => {
    expect(play(seed, 300)).toMatch(/,0$/)
  })
  it('is the same again with the same seed', () => {
    expect(play(4, 200)).toBe(play(4, 200))
  })
})
