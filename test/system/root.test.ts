// A directory of this computer as the root of all files.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { createSystem, type System } from '../../src/index.ts'
import { isErr } from '../../src/base/index.ts'
import { lookupPath, mountLines, ROOT } from '../../src/kernel/file/index.ts'

const HELLO = readFileSync('programs/bin/hello.elf')

describe('a directory at /', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pagewright-root-'))
    mkdirSync(join(folder, 'usr/bin'), { recursive: true })
    writeFileSync(join(folder, 'usr/bin/hello'), HELLO, { mode: 0o755 })
    symlinkSync('usr/bin', join(folder, 'bin'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const mountRoot = (system: System, isWritable: boolean): void =>
    system.mount(new NodeHostFiles(folder, !isWritable), '/', isWritable)
  const makePlaces = (): void => ['proc', 'sys', 'dev', 'tmp', 'run'].forEach((name) => mkdirSync(join(folder, name)))

  it('has its own programs, and what the system shows', () => {
    makePlaces()
    const system = createSystem({ memory: '16M' })
    mountRoot(system, false)
    const guest = system.spawn('/bin/hello', { args: ['1'] })
    expect(guest.maps).toContain(' /usr/bin/hello\n')
    expect(system.run(guest)).toBe(0)
    const { files } = system.rooms.kernel
    expect(mountLines(files).map((line) => line.split(' ', 2).join(' '))).toEqual([
      'hostfs /',
      'tmpfs /tmp',
      'devtmpfs /dev',
      'proc /proc',
      'sysfs /sys',
      'hostfs /run',
    ])
    const meminfo = lookupPath({ root: files.root, cwd: files.root, who: ROOT }, '/proc/../proc/meminfo')
    expect(isErr(meminfo)).toBe(false)
    system.verify()
  })
  it('takes programs as bytes all the same', () => {
    makePlaces()
    const system = createSystem({ memory: '16M' })
    mountRoot(system, false)
    const guest = system.spawn(HELLO, { name: 'other' })
    expect(guest.maps).toContain(' /run/other\n')
    expect(system.run(guest)).toBe(0)
  })
  it('must have the places of the system, or let them be made', () => {
    expect(() => mountRoot(createSystem({ memory: '16M' }), false)).toThrow(
      'cannot mount at /: it has no directory /tmp',
    )
    const system = createSystem({ memory: '16M' })
    mountRoot(system, true)
    expect(system.run(system.spawn('/usr/bin/hello'))).toBe(0)
  })
  it('comes before anything else', () => {
    makePlaces()
    for (const first of [
      (system: System) => system.mount(new NodeHostFiles(folder, true), '/mnt'),
      (system: System) => mountRoot(system, false),
      (system: System) => void system.spawn(HELLO),
    ]) {
      const system = createSystem({ memory: '16M' })
      first(system)
      expect(() => mountRoot(system, false)).toThrow('cannot mount at /: EBUSY')
    }
  })
})
