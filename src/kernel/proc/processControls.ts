// Files of /proc/PID that are written to, and the ones that lead to what is mapped.

import { EACCES, EINVAL, ENOENT, ERANGE, ESRCH, type OrErr } from '../../base/index.ts'
import { type DirNode, OpenFile, type TextNode } from '../file/index.ts'
import { PG_anon, PG_referenced } from '../phys/index.ts'
import { pmapClearAccessed, pmapUpdate } from '../pmap/index.ts'
import { type Kernel, oomBadness, oomTotalPages, type Process } from '../process/index.ts'
import { numberOf } from './numbers.ts'

const OOM_MOST = 1000
/** The scale of oom_adj, which is older; its largest number, 15, stands for OOM_MOST all the same. */
const OOM_OLD_SCALE = 17
const OOM_OLD_MOST = 15

/** May be raised, and lowered as far as to 0: below takes CAP_SYS_RESOURCE, which nobody has here. */
function setOomScoreAdj(process: Process, value: number): OrErr<0> {
  if (value < 0) return EACCES
  process.oomScoreAdj = value
  return 0
}
/** /proc/PID/oom_score_adj. @manual proc_pid_oom_score_adj(5) */
export function oomScoreAdj(process: Process): TextNode {
  return {
    kind: 'text',
    permissions: 0o644,
    read: () => `${process.oomScoreAdj}\n`,
    write(bytes) {
      const value = numberOf(bytes, true)
      if (value === Infinity) return ERANGE
      return Math.abs(value) <= OOM_MOST ? setOomScoreAdj(process, value) : EINVAL
    },
  }
}
/** /proc/PID/oom_adj: the same number on another scale, -17 … 15. @manual proc_pid_oom_adj(5) */
export function oomAdj(process: Process): TextNode {
  return {
    kind: 'text',
    permissions: 0o644,
    read() {
      const { oomScoreAdj: now } = process
      const scaled = Math.trunc((now * OOM_OLD_SCALE) / OOM_MOST)
      return `${now === OOM_MOST ? OOM_OLD_MOST : Math.min(scaled, OOM_OLD_MOST)}\n`
    },
    write(bytes) {
      const value = numberOf(bytes, true)
      if (value === Infinity) return ERANGE
      if (!(value <= OOM_OLD_MOST && value >= -OOM_OLD_SCALE)) return EINVAL
      return setOomScoreAdj(process, value === OOM_OLD_MOST ? OOM_MOST : Math.trunc((value * OOM_MOST) / OOM_OLD_SCALE))
    },
  }
}
/** /proc/PID/oom_score: what part of all memory it has, in thousandths, and its adjustment; 666 for the middle. */
export function oomScore(kernel: Kernel, process: Process): string {
  const badness = oomBadness(kernel, process)
  if (badness === null) return '0\n'
  const points = Math.trunc((badness * 1000) / oomTotalPages(kernel))
  return `${Math.max(0, Math.trunc(((1000 + points) * 2) / 3))}\n`
}

/** What is written to clear_refs. 4, soft-dirty, is not configured. */
const CLEAR_ALL = 1
const CLEAR_ANON = 2
const CLEAR_FILE = 3
const CLEAR_SOFT_DIRTY = 4
const CLEAR_PEAK = 5
/**
 * /proc/PID/clear_refs: its pages count as not referenced from now on; or the peak of what was resident begins anew.
 *
 * @manual proc_pid_clear_refs(5)
 */
export function clearRefs(process: Process): TextNode {
  return {
    kind: 'text',
    permissions: 0o200,
    read: () => EINVAL,
    write(bytes) {
      const what = numberOf(bytes, false)
      if (what === Infinity) return ERANGE
      if (!(what >= CLEAR_ALL && what <= CLEAR_PEAK)) return EINVAL
      const { space } = process
      if (space === null) return ESRCH
      if (what === CLEAR_PEAK) space.forgetPeak()
      if (what === CLEAR_PEAK || what === CLEAR_SOFT_DIRTY) return 0
      const { frames } = space.vm.phys
      pmapClearAccessed(space.pmap, 0, space.map.max, (pfn) => {
        const f = frames.indexOf(pfn)
        if (f < 0) return false
        const isAnon = (frames.flags[f]! & PG_anon) !== 0
        if (what === (isAnon ? CLEAR_FILE : CLEAR_ANON)) return false
        frames.flags[f] = frames.flags[f]! & ~PG_referenced
        return true
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
