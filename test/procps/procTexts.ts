// A copy of a system's /proc as a directory of this computer, for the computer's own tools.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isErr, runToEnd, type Sleep } from '../../src/base/index.ts'
import { lookupPath, openAt, O_RDONLY, readBytes, ROOT } from '../../src/kernel/file/index.ts'
import type { System } from '../../src/index.ts'

/** What is no text, or leads elsewhere. */
const LEFT_OUT = /\/(?:mem|pagemap|kpage\w+|clear_refs|fd|fdinfo|map_files|task|sys)$/
const MOST_BYTES = 1 << 20

/** The text of a file, as a program that reads it from the start gets it. Nothing runs meanwhile. */
export function procText(system: System, path: string): Uint8Array {
  const { files } = system.rooms.kernel
  const context = { root: files.root, cwd: files.root, who: ROOT }
  function* read(): Sleep<Uint8Array> {
    const file = yield* openAt(files, context, path, O_RDONLY, 0)
    if (isErr(file)) throw new Error(`${path}: ${file}`)
    const bytes = yield* readBytes(file, 0, MOST_BYTES)
    file.release()
    if (!(bytes instanceof Uint8Array)) throw new Error(`${path}: ${bytes}`)
    return bytes
  }
  return runToEnd(system.rooms.machine.clock, read())
}

/** Writes the texts of /proc below a directory; `self` is the process that is told. */
export function copyProc(system: System, directory: string, self: number): void {
  const { files } = system.rooms.kernel
  const context = { root: files.root, cwd: files.root, who: ROOT }
  const walk = (path: string): void => {
    const dir = lookupPath(context, path)
    if (isErr(dir)) throw new Error(`${path}: ${dir}`)
    const names = dir.fs.list(dir)
    if (isErr(names)) throw new Error(`${path}: ${names}`)
    mkdirSync(join(directory, path.slice('/proc'.length)))
    for (const { name, kind } of names) {
      const at = `${path}/${name}`
      if (LEFT_OUT.test(at)) continue
      if (kind === 'dir') walk(at)
      if (kind === 'file') writeFileSync(join(directory, at.slice('/proc'.length)), procText(system, at))
    }
  }
  walk('/proc')
  symlinkSync(String(self), join(directory, 'self'))
}
