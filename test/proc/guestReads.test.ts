// The files of /proc about memory, as a guest reads them with open, read and write: the text that the library reads.

import { describe, expect, it } from 'vitest'
import { isErr, type Sleep } from '../../src/base/index.ts'
import { createSystem, nameFromBytes, type System } from '../../src/index.ts'
import { O_RDONLY, openAt, readBytes, ROOT } from '../../src/kernel/file/index.ts'
import { addi, call, exit, li, lui, textAddress, tinyElf } from '../tinyElf.ts'

const BUFFER_PAGE = 0x12
const BUFFER_BYTES = 0x8000

/** write(1, buffer, read(openat(AT_FDCWD, path, O_RDONLY), buffer, 32768)) */
function cat(path: string): Uint8Array {
  const code = (pathAddress: number): number[] => [
    li('a0', -100),
    lui('a1', pathAddress >> 12),
    addi('a1', 'a1', pathAddress & 0xfff),
    li('a2', O_RDONLY),
    ...call(56),
    lui('a1', BUFFER_PAGE),
    lui('a2', BUFFER_BYTES >> 12),
    ...call(63),
    addi('a2', 'a0', 0),
    li('a0', 1),
    ...call(64),
    ...exit(0),
  ]
  const at = textAddress(code(0).length)
  return tinyElf(code(at), `${path}\0`, (BUFFER_PAGE << 12) - 0x10000 + BUFFER_BYTES)
}
function libraryText(system: System, path: string): string {
  const { files } = system.rooms.kernel
  function* read(): Sleep<string> {
    const context = { root: files.root, cwd: files.root, who: ROOT }
    const file = yield* openAt(files, context, path, O_RDONLY, 0)
    if (isErr(file)) throw new Error(`${path}: ${file}`)
    const bytes = yield* readBytes(file, 0, BUFFER_BYTES)
    file.release()
    if (isErr(bytes as number)) throw new Error(`${path}: ${String(bytes)}`)
    return nameFromBytes(bytes as Uint8Array)
  }
  return system.runKernel(read())
}

describe('a guest reads', () => {
  for (const name of ['buddyinfo', 'pagetypeinfo', 'zoneinfo', 'meminfo', 'vmstat']) {
    it(`/proc/${name}, on two nodes, as the library does`, () => {
      const system = createSystem({ memory: '64M', nodes: 2, cpus: 2 })
      const guest = system.spawn(cat(`/proc/${name}`), { name: 'cat' })
      expect(system.run(guest)).toBe(0)
      // Memory has changed meanwhile: only numbers and the blanks before them may differ.
      const shape = (text: string): string => text.replace(/ *\d+/g, ' 0')
      expect(guest.stdout.length).toBeGreaterThan(100)
      expect(shape(guest.stdout)).toBe(shape(libraryText(system, `/proc/${name}`)))
      for (const node of name === 'meminfo' || name === 'vmstat' ? [] : [0, 1])
        expect(guest.stdout).toMatch(new RegExp(`^Node +${node}, zone +DMA32`, 'm'))
    })
  }
})
