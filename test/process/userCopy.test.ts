import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EFAULT, ENAMETOOLONG, PAGE_SIZE } from '../../src/base/index.ts'
import { KernelUio } from '../../src/kernel/file/index.ts'
import { mmapRegion, mprotectRegion } from '../../src/kernel/map/index.ts'
import { copyIn, copyInString, copyOut, type IoVec, UserUio } from '../../src/kernel/process/index.ts'
import { createSystem } from '../../src/system/index.ts'
import { jump, tinyElf } from '../tinyElf.ts'

const BASE = 0x2000_0000
const PAGES = 8
// Pages:  0 1 2    3        4         5    6 7
//         rw rw rw read-only PROT_NONE hole rw rw
const READABLE = [true, true, true, true, false, false, true, true]
const WRITABLE = [true, true, true, false, false, false, true, true]

function world() {
  const system = createSystem({ memory: '16M', seed: 1 })
  const space = system.spawn(tinyElf([jump(0)])).process.space!
  const map = (page: number, pages: number) =>
    system.runKernel(
      mmapRegion(space, {
        addr: BASE + page * PAGE_SIZE,
        length: pages * PAGE_SIZE,
        prot: 3,
        flags: 0x32,
        object: null,
        file: null,
        pgoff: 0,
      }),
    )
  map(0, 5)
  map(6, 2)
  system.runKernel(mprotectRegion(space, BASE + 3 * PAGE_SIZE, PAGE_SIZE, 1))
  system.runKernel(mprotectRegion(space, BASE + 4 * PAGE_SIZE, PAGE_SIZE, 0))
  return { system, space }
}
/** Bytes from `at` on that may be accessed. */
function reach(allowed: readonly boolean[], at: number, length: number): number {
  let done = 0
  while (done < length && allowed[Math.floor((at + done) / PAGE_SIZE)] === true) done++
  return done
}

describe('copies to and from user memory', () => {
  it('agree with an array, and stop at the first byte that may not be touched', () => {
    const { system, space } = world()
    const model = new Uint8Array(PAGES * PAGE_SIZE)
    const place = fc.tuple(
      fc.nat({ max: PAGES * PAGE_SIZE - 1 }),
      fc.nat({ max: 3 * PAGE_SIZE }),
      fc.boolean(),
      fc.nat(255),
    )
    fc.assert(
      fc.property(fc.array(place, { maxLength: 6 }), (steps) => {
        for (const [at, length, isStore, fill] of steps) {
          if (isStore) {
            const bytes = new Uint8Array(length).map((_, i) => fill + i)
            const result = system.runKernel(copyOut(space, BASE + at, bytes))
            const done = reach(WRITABLE, at, length)
            expect(result).toBe(done === length ? 0 : EFAULT)
            model.set(bytes.subarray(0, done), at)
          } else {
            const result = system.runKernel(copyIn(space, BASE + at, length))
            if (reach(READABLE, at, length) < length) expect(result).toBe(EFAULT)
            else expect(result).toEqual(model.slice(at, at + length))
          }
        }
      }),
      { numRuns: 60, seed: 3 },
    )
  })
  it('finds the end of a string across pages', () => {
    const { system, space } = world()
    const at = BASE + PAGE_SIZE - 3
    system.runKernel(copyOut(space, at, new TextEncoder().encode('abcdef\0')))
    const text = (max: number) => system.runKernel(copyInString(space, at, max))
    expect(text(100)).toEqual(new TextEncoder().encode('abcdef'))
    expect(text(7)).toEqual(new TextEncoder().encode('abcdef'))
    expect(text(6)).toBe(ENAMETOOLONG)
    system.runKernel(copyOut(space, BASE + 7 * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(65)))
    expect(system.runKernel(copyInString(space, BASE + 8 * PAGE_SIZE - 2, 10))).toBe(EFAULT)
    expect(system.runKernel(copyInString(space, -8, 10))).toBe(EFAULT)
  })
  it('moves through vectors, short where a page is missing, and says so when asked to bring it', () => {
    const { system, space } = world()
    const { files } = system.rooms.kernel
    const vectors: IoVec[] = [
      { base: BASE + 10, length: 5 },
      { base: BASE + 99, length: 0 },
      { base: BASE + PAGE_SIZE - 2, length: 4 },
      { base: BASE + 5 * PAGE_SIZE - 1, length: 2 },
    ]
    const uio = new UserUio(space, vectors)
    files.bounceBytes.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(uio.resid).toBe(11)
    expect(uio.moveTo(files.bounce, 11)).toBe(9)
    expect(uio.resid).toBe(2)
    expect(system.runKernel(uio.faultIn(true))).toBe(EFAULT)
    const back = system.runKernel(copyIn(space, BASE + 10, 5))
    expect(back).toEqual(Uint8Array.of(1, 2, 3, 4, 5))
    expect(system.runKernel(copyIn(space, BASE + PAGE_SIZE - 2, 4))).toEqual(Uint8Array.of(6, 7, 8, 9))
    const other = new KernelUio(files, new Uint8Array(3))
    expect(other.moveTo(files.bounce, 9)).toBe(3)
  })
})
