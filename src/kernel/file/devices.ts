// The devices every system has: null zero full random urandom, and the directory that names them.

import { EINVAL, ENOSPC, type Err, kassert, PAGE_SIZE, type OrErr } from '../../base/index.ts'
import { S_ISVTX, POLLIN, POLLOUT } from './constants.ts'
import { makedev, type CharDevice, type Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import { RamFs } from './ramFs.ts'
import { SimpleIo } from './simpleIo.ts'
import type { Uio } from './uio.ts'
import type { Vnode } from './vnode.ts'

type Source = 'empty' | 'zeros' | 'random'

/** A device that reads as nothing, zeros or random bytes, and swallows or refuses what is written. */
class MemoryDevice extends SimpleIo implements CharDevice {
  readonly isSeekable = false
  readonly name: string
  readonly mapping: 'zero' | null
  readonly terminal = null
  readonly #source: Source
  readonly #isFull: boolean
  constructor(name: string, source: Source, isFull = false) {
    super()
    this.name = name
    this.mapping = name === 'zero' ? 'zero' : null
    this.#source = source
    this.#isFull = isFull
  }
  override isAtEnd(): boolean {
    return this.#source === 'empty'
  }
  override moveTo(files: Files, _file: OpenFile, uio: Uio): number {
    if (this.#source === 'empty') return 0
    let moved = 0
    if (this.#source === 'zeros') files.bounceBytes.fill(0)
    while (uio.resid > 0) {
      const want = Math.min(uio.resid, PAGE_SIZE)
      if (this.#source === 'random') fillRandom(files, want)
      const step = uio.moveTo(files.bounce, want)
      moved += step
      if (step < want) break
    }
    return moved
  }
  override moveFrom(_files: Files, _file: OpenFile, uio: Uio): OrErr<number> {
    if (this.#isFull) return ENOSPC
    const moved = uio.resid
    uio.resid = 0
    return moved
  }
  override poll(): number {
    return POLLIN | POLLOUT
  }
}

/** A device that is only controlled (ioctl): userfaultfd. */
class ControlDevice extends SimpleIo implements CharDevice {
  readonly isSeekable = false
  readonly name = 'userfaultfd'
  readonly mapping = null
  readonly terminal = null
  readonly permissions = 0o600
  override moveTo(): Err {
    return EINVAL
  }
  override moveFrom(): Err {
    return EINVAL
  }
  override poll(): number {
    return POLLIN | POLLOUT
  }
}

function fillRandom(files: Files, bytes: number): void {
  const to = files.bounceBytes
  for (let i = 0; i < bytes; i += 4) {
    const word = files.machine.rng.next32()
    to[i] = word
    to[i + 1] = word >>> 8
    to[i + 2] = word >>> 16
    to[i + 3] = word >>> 24
  }
}

/** Whose ioctl makes userfaultfds. */
export const DEV_USERFAULTFD = makedev(10, 257)

/** Registers the memory devices of major 1, and the one that makes userfaultfds. */
export function registerMemoryDevices(files: Files): void {
  files.devices.set(makedev(1, 3), new MemoryDevice('null', 'empty'))
  files.devices.set(makedev(1, 5), new MemoryDevice('zero', 'zeros'))
  files.devices.set(makedev(1, 7), new MemoryDevice('full', 'zeros', true))
  files.devices.set(makedev(1, 8), new MemoryDevice('random', 'random'))
  files.devices.set(makedev(1, 9), new MemoryDevice('urandom', 'random'))
  files.devices.set(DEV_USERFAULTFD, new ControlDevice())
}

/** Device numbers of the terminals: the process's own, and the system console. */
export const DEV_TTY = makedev(5, 0)
export const DEV_CONSOLE = makedev(5, 1)

/**
 * The file system of /dev: a RamFs with a node for every device of `files.devices`, the usual links into /proc, and
 * an empty shm directory.
 */
export function makeDevFs(files: Files): RamFs {
  const fs = new RamFs(files, 'devtmpfs')
  const time = files.now()
  const make = (name: string, kind: 'chardev' | 'dir', permissions: number): Vnode => {
    const vnode = fs.create(fs.root, name, { kind, permissions, uid: 0, gid: 0, time })
    kassert(typeof vnode === 'object', 'a fresh file system takes names')
    return vnode
  }
  for (const [rdev, device] of files.devices) make(device.name, 'chardev', device.permissions ?? 0o666).rdev = rdev
  make('shm', 'dir', 0o777 | S_ISVTX)
  fs.root.nlink++
  const links = { fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' }
  for (const [name, target] of Object.entries(links)) {
    fs.symlink(fs.root, name, target, { kind: 'symlink', permissions: 0o777, uid: 0, gid: 0, time })
  }
  return fs
}
