// /proc/PID: what each name in it is.

import { EACCES, ENOENT, EPERM, type Err, isErr, type OrErr, WouldSleep } from '../../base/index.ts'
import {
  type BytesNode,
  CAP_SYS_ADMIN,
  capable,
  type DirNode,
  fixedDir,
  type GeneratedNode,
  type LinkNode,
  mountInfoLines,
  type OpenFile,
  pathOf,
  textFile,
  type TextNode,
  type Vnode,
} from '../file/index.ts'
import type { VmSpace } from '../map/index.ts'
import { copyInTry, type Kernel, mayAccess, type Process, type Thread } from '../process/index.ts'
import { mapsText } from './maps.ts'
import { MemoryIo } from './memoryIo.ts'
import { PagemapIo } from './pagemap.ts'
import { clearRefs, mapFiles, oomAdj, oomScore, oomScoreAdj } from './processControls.ts'
import { limitsText, numaMapsText, statmText, statText, statusText, syscallText } from './processTexts.ts'
import { smapsRollupText, smapsText } from './smaps.ts'

/** Most bytes of an argument or environment block that are shown: RLIMIT_STACK / 4. */
const BLOCK_MAX = 2 * 1024 * 1024

/** The directory of a process, or null if there is none of that number. */
export function processDir(kernel: Kernel, pid: number): DirNode | null {
  const process = kernel.processes.byPid.get(pid)
  if (process === undefined) return null
  const task: DirNode = {
    kind: 'dir',
    lookup(name) {
      const thread = process.threads.find(({ tid }) => String(tid) === name)
      return thread === undefined ? null : fixedDir(common(kernel, process, thread))
    },
    names: () => process.threads.map(({ tid }) => String(tid)),
  }
  const leader = process.leader
  const files = fixedDir({ ...common(kernel, process, leader), task })
  // Of a process that may not be dumped nobody but root learns anything.
  return { ...files, owner: () => (process.dumpable === 1 ? process.who : { uid: 0, gid: 0 }) }
}

function common(kernel: Kernel, process: Process, thread: Thread | null): Record<string, GeneratedNode> {
  const mayLook = (): 0 | Err => mayLookInto(kernel, process)
  const guarded = (file: TextNode, permissions = 0o400): TextNode => ({ ...file, permissions, mayOpen: mayLook })
  const ofSpace = (text: (space: VmSpace) => string): TextNode =>
    guarded(
      textFile(() => (process.space === null ? '' : text(process.space))),
      0o444,
    )
  const block = (start: (space: VmSpace) => number, end: (space: VmSpace) => number) =>
    textFile(() => (process.space === null ? '' : userBlock(process.space, start(process.space), end(process.space))))
  return {
    auxv: guarded(textFile(() => process.auxv)),
    clear_refs: clearRefs(process),
    cmdline: block(
      (space) => space.argStart,
      (space) => space.argEnd,
    ),
    comm: textFile(() => `${thread?.name || process.name}\n`),
    cwd: link(
      () => process.fs?.cwd ?? null,
      () => null,
      mayLook,
    ),
    environ: guarded(
      block(
        (space) => space.envStart,
        (space) => space.envEnd,
      ),
    ),
    exe: link(
      () => process.exe,
      () => process.exePath,
      mayLook,
    ),
    fd: descriptors(process, mayLook),
    fdinfo: descriptorInfo(process),
    limits: textFile(() => limitsText(process)),
    map_files: mapFiles(process),
    maps: ofSpace(mapsText),
    mem: memoryFile(process, mayLook),
    mountinfo: textFile(() =>
      mountInfoLines(kernel.files)
        .map((line) => `${line}\n`)
        .join(''),
    ),
    mounts: link(
      () => null,
      () => '/proc/mounts',
      () => 0,
    ),
    numa_maps: guarded(
      textFile(() => numaMapsText(process)),
      0o444,
    ),
    oom_adj: oomAdj(process),
    oom_score: textFile(() => oomScore(kernel, process)),
    oom_score_adj: oomScoreAdj(process),
    pagemap: pagemapFile(kernel, process, mayLook),
    root: link(
      () => process.fs?.root ?? null,
      () => null,
      mayLook,
    ),
    smaps: ofSpace(smapsText),
    smaps_rollup: ofSpace(smapsRollupText),
    stat: textFile(() => statText(process)),
    statm: textFile(() => statmText(process)),
    status: textFile(() => statusText(kernel, process)),
    syscall: guarded(textFile(() => syscallText(process))),
  }
}

/** EACCES: whoever asks may not look into the memory of that process. */
function mayLookInto(kernel: Kernel, process: Process): 0 | Err {
  const asking = (kernel.machine.current.thread as Thread | null)?.process ?? process
  return asking === process || mayAccess(asking, process, 'effective') ? 0 : EACCES
}

/** Bytes of the argument or environment area as the program has them now. */
function userBlock(space: VmSpace, start: number, end: number): OrErr<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, Math.min(end - start, BLOCK_MAX)))
  const copied = copyInTry(space, start, bytes)
  return copied === WouldSleep || isErr(copied) ? new Uint8Array(0) : bytes
}

/** A magic link: leads to the vnode whatever its text says. */
function link(vnode: () => Vnode | null, text: () => string | null, mayLook: () => 0 | Err): LinkNode {
  return {
    kind: 'link',
    target() {
      const refused = mayLook()
      if (refused !== 0) return refused
      const to = vnode()
      return text() ?? (to === null ? ENOENT : pathOf(to))
    },
    ...(text() === '/proc/mounts' ? {} : { follow: () => mayLook() || (vnode() ?? ENOENT) }),
  }
}

function descriptors(process: Process, mayLook: () => 0 | Err): DirNode {
  return {
    kind: 'dir',
    permissions: 0o500,
    lookup(name) {
      const file = openFileOf(process, name)
      return file === null
        ? null
        : link(
            () => file.vnode,
            () => file.path,
            mayLook,
          )
    },
    names: () => process.fds?.open.map(String) ?? [],
  }
}
function descriptorInfo(process: Process): DirNode {
  return {
    kind: 'dir',
    permissions: 0o555,
    lookup(name) {
      const file = openFileOf(process, name)
      if (file === null) return null
      return textFile(
        () =>
          `pos:\t${file.offset}\nflags:\t0${file.flags.toString(8)}\nmnt_id:\t${file.device}\nino:\t${file.inode}\n${file.io.info ?? ''}`,
      )
    },
    names: () => process.fds?.open.map(String) ?? [],
  }
}
function openFileOf(process: Process, name: string): OpenFile | null {
  if (!/^(?:0|[1-9]\d{0,6})$/.test(name)) return null
  const file = process.fds?.get(Number(name)) ?? null
  return file === null || isErr(file) ? null : file
}

function pagemapFile(kernel: Kernel, process: Process, mayLook: () => 0 | Err): BytesNode {
  return {
    kind: 'bytes',
    permissions: 0o400,
    open() {
      const opener = kernel.machine.current.thread as Thread | null
      const refused = mayLook()
      if (refused !== 0) return refused
      const showsFrames = opener === null || capable(opener.process.who, CAP_SYS_ADMIN)
      return new PagemapIo(process, showsFrames)
    },
  }
}
function memoryFile(process: Process, mayLook: () => 0 | Err): BytesNode {
  return {
    kind: 'bytes',
    permissions: 0o600,
    open: () => mayLook() || (process.space === null ? EPERM : MemoryIo.of(process)),
  }
}
