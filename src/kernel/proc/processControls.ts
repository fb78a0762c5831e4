// Files of /proc/PID that are written to, and the ones that lead to what is mapped.

import { EACCES, EINVAL, ENOENT, ESRCH, type OrErr, type Pfn } from '../../base/index.ts'
import { type DirNode, nameFromBytes, OpenFile, type TextNode } from '../file/index.ts'
import { pmapClearReference, pmapForEach, pmapUpdate } from '../pmap/index.ts'
import { PG_anon } from '../phys/index.ts'
import type { Process } from '../process/index.ts'

/** The integer that was written, with blanks around it, or EINVAL. */
export function integerOf(bytes: Uint8Array): OrErr<number> {
  const text = nameFromBytes(bytes).trim()
  return /^[-+]?\d{1,15}$/.test(text) ? Number(text) : EINVAL
}

const OOM_MOST = 1000
/** /proc/PID/oom_score_adj: raised by whoever owns the process, lowered again by nobody. */
export function oomScoreAdj(process: Process): TextNode {
  return {
    kind: 'text',
    permissions: 0o644,
    read: () => `${process.oomScoreAdj}\n`,
    write(bytes) {
      const text = nameFromBytes(bytes).trim()
      const value = Number(text)
      if (!/^[-+]?\d{1,10}$/.test(text) || Math.abs(value) > OOM_MOST) return EINVAL
      if (value < process.oomScoreAdj) return EACCES
      process.oomScoreAdj = value
      return 0
    },
  }
}
/** /proc/PID/oom_score: what part of all memory it has, in thousandths, and its adjustment; 666 for the middle. */
export function oomScore(process: Process): string {
  const { space } = process
  if (space === null) return '0\n'
  const total = space.vm.phys.totalramPages
  const points = Math.floor((1000 * (space.residentPages + space.pmap.tablePages)) / total)
  return `${Math.max(0, Math.floor(((1000 + points + process.oomScoreAdj) * 2) / 3))}\n`
}

/** What is written to clear_refs. 4, soft-dirty, is not configured. */
const CLEAR_ALL = 1
const CLEAR_ANON = 2
const CLEAR_FILE = 3
const CLEAR_SOFT_DIRTY = 4
const CLEAR_PEAK = 5
/**
 * /proc/PID/clear_refs: its pages count as not referenced from now on; or its peak begins anew. A page that others map too
 * loses their accessed bits as well.
 *
 * @manual proc_pid_clear_refs(5)
 */
export function clearRefs(process: Process): TextNode {
  return {
    kind: 'text',
    permissions: 0o200,
    read: () => EINVAL,
    write(bytes) {
      const what = integerOf(bytes)
      if (what < CLEAR_ALL || what > CLEAR_PEAK) return EINVAL
      const { space } = process
      if (space === null) return ESRCH
      if (what === CLEAR_PEAK) space.peakResidentPages = space.residentPages
      if (what === CLEAR_PEAK || what === CLEAR_SOFT_DIRTY) return 0
      const { phys, pmaps } = space.vm
      pmapForEach(space.pmap, 0, space.map.max, (_va, pfn) => {
        const f = phys.frames.indexOf(pfn as Pfn)
        if (f < 0) return
        const isAnon = (phys.frames.flags[f]! & PG_anon) !== 0
        if (what === (isAnon ? CLEAR_FILE : CLEAR_ANON)) return
        pmapClearReference(pmaps, pfn as Pfn)
      })
      pmapUpdate(space.pmap)
      return 0
    },
  }
}

/** /proc/PID/map_files: a link for each entry that shows a file, named by its range. @manual proc_pid_map_files(5) */
export function mapFiles(process: Process): DirNode {
  const name = (start: number, end: number) => `${start.toString(16)}-${end.toString(16)}`
  const entries = () => [...(process.space?.map.entries() ?? [])].filter((entry) => entry.file instanceof OpenFile)
  return {
    kind: 'dir',
    permissions: 0o500,
    names: () => entries().map(({ start, end }) => name(start, end)),
    lookup(wanted) {
      const found = entries().find(({ start, end }) => name(start, end) === wanted)
      if (found === undefined) return null
      const file = found.file as OpenFile
      return { kind: 'link', target: () => file.path ?? ENOENT, follow: () => file.vnode }
    },
  }
}
