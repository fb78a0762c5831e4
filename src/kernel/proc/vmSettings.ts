// /proc/sys/vm: what may be set, and what follows from it.

import { EINVAL, isErr, type OrErr, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { type DirNode, dropFileCache, fixedDir, textFile, type TextNode } from '../file/index.ts'
import { compactMemory, writeMinFreeKbytes } from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { setDirtyBackgroundBytes, setDirtyBackgroundRatio, setDirtyBytes, setDirtyRatio } from '../writeback/index.ts'
import { settingOf } from './numbers.ts'

/** An integer of a range that can be read and written. */
function setting(read: () => number, least: number, most: number, write: (value: number) => OrErr<0> | void): TextNode {
  return {
    kind: 'text',
    permissions: 0o644,
    read: () => `${read()}\n`,
    write(bytes) {
      if (bytes.length === 0) return 0
      const value = settingOf(bytes, least, most)
      return Number.isNaN(value) ? EINVAL : (write(value) ?? 0)
    },
  }
}
/** An integer that is kept and steers nothing here: the mechanism it tunes is another one, or there is none. */
function kept(initial: number, least: number, most: number): TextNode {
  let value = initial
  return setting(
    () => value,
    least,
    most,
    (now) => void (value = now),
  )
}
/** Written to make something happen; there is nothing to read. */
function trigger(least: number, most: number, run: (value: number) => Sleep<void>): TextNode {
  return {
    kind: 'text',
    permissions: 0o200,
    isWriteOnly: true,
    read: () => EINVAL,
    *act(bytes) {
      if (bytes.length === 0) return 0
      const value = settingOf(bytes, least, most)
      if (Number.isNaN(value)) return EINVAL
      yield* run(value)
      return 0
    },
  }
}
const fixed = (value: number): TextNode => textFile(() => `${value}\n`)
const INT_MAX = 2 ** 31 - 1
const LEAST_DIRTY_BYTES = 2 * PAGE_SIZE

/** The files of /proc/sys/vm. @manual proc_sys_vm(5) */
export function vmSettings(kernel: Kernel): DirNode {
  const { phys, vm } = kernel
  const { commit } = vm
  const spaces = () => [...kernel.processes.byPid.values()].flatMap(({ space }) => (space === null ? [] : [space]))
  return fixedDir({
    compact_memory: trigger(1, 1, () => compactMemory(phys)),
    compact_unevictable_allowed: kept(1, 0, 1),
    compaction_proactiveness: kept(20, 0, 100),
    ...dirtySettings(kernel),
    // 1: pages of files that are clean and not mapped. 2: directories and the like, of which nothing is kept here.
    // oxlint-disable-next-line require-yield
    drop_caches: trigger(1, 63, function* (value) {
      if ((value & 1) !== 0) {
        dropFileCache(kernel.files)
        phys.events.add('drop_pagecache')
      }
      if ((value & 2) !== 0) phys.events.add('drop_slab')
    }),
    extfrag_threshold: kept(500, 0, 1000),
    max_map_count: setting(
      () => vm.maxMapCount,
      0,
      INT_MAX,
      (value) => {
        vm.maxMapCount = value
        for (const space of spaces()) space.maxMapCount = value
      },
    ),
    memory_failure_early_kill: kept(0, 0, 1),
    min_free_kbytes: setting(
      () => phys.tunables.minFreeKbytes,
      0,
      INT_MAX,
      (value) => {
        const done: unknown = writeMinFreeKbytes(phys, value)
        if (isErr(done)) return done
      },
    ),
    mmap_min_addr: setting(
      () => vm.minAddress,
      0,
      Number.MAX_SAFE_INTEGER,
      (value) => void (vm.minAddress = value),
    ),
    nr_hugepages: fixed(0),
    nr_overcommit_hugepages: fixed(0),
    oom_dump_tasks: kept(1, 0, 1),
    oom_kill_allocating_task: kept(0, 0, 1),
    // Of ratio and kbytes the one that was set last holds; the other one shows 0.
    overcommit_kbytes: setting(
      () => commit.kbytes,
      0,
      Number.MAX_SAFE_INTEGER,
      (value) => {
        commit.kbytes = value
        commit.ratio = 0
      },
    ),
    overcommit_memory: setting(
      () => commit.mode,
      0,
      2,
      (value) => void (commit.mode = value),
    ),
    overcommit_ratio: setting(
      () => commit.ratio,
      0,
      INT_MAX,
      (value) => {
        commit.ratio = value
        commit.kbytes = 0
      },
    ),
    'page-cluster': kept(3, 0, 31),
    panic_on_oom: kept(0, 0, 2),
    stat_interval: kept(1, 0, INT_MAX),
    swappiness: kept(60, 0, 200),
    unprivileged_userfaultfd: fixed(0),
    vfs_cache_pressure: kept(100, 0, INT_MAX),
    watermark_boost_factor: kept(15000, 0, INT_MAX),
    watermark_scale_factor: kept(10, 1, 3000),
  })
}

/** Of bytes and ratio the one that was set last holds; the other one shows 0. */
function dirtySettings({ files: { writeback: wb } }: Kernel): Record<string, TextNode> {
  const { tunables } = wb
  return {
    dirty_background_bytes: setting(
      () => tunables.dirtyBackgroundBytes,
      1,
      Number.MAX_SAFE_INTEGER,
      (value) => setDirtyBackgroundBytes(wb, value),
    ),
    dirty_background_ratio: setting(
      () => tunables.dirtyBackgroundRatio,
      0,
      100,
      (value) => setDirtyBackgroundRatio(wb, value),
    ),
    dirty_bytes: setting(
      () => tunables.dirtyBytes,
      LEAST_DIRTY_BYTES,
      Number.MAX_SAFE_INTEGER,
      (value) => setDirtyBytes(wb, value),
    ),
    dirty_expire_centisecs: setting(
      () => tunables.dirtyExpireCentisecs,
      0,
      INT_MAX,
      (value) => void (tunables.dirtyExpireCentisecs = value),
    ),
    dirty_ratio: setting(
      () => tunables.dirtyRatio,
      0,
      100,
      (value) => setDirtyRatio(wb, value),
    ),
    dirty_writeback_centisecs: setting(
      () => tunables.dirtyWritebackCentisecs,
      0,
      INT_MAX,
      (value) => void (tunables.dirtyWritebackCentisecs = value),
    ),
    laptop_mode: setting(
      () => tunables.laptopMode,
      0,
      INT_MAX,
      (value) => void (tunables.laptopMode = value),
    ),
  }
}
