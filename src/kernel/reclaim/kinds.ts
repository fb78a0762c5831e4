// What a page is, to those who replace pages.

import type { Anons } from '../anon/index.ts'
import type { MemoryObject, ObjectTable } from '../object/index.ts'
import { globalStat, NR_FILE_PAGES, NR_SHMEM, PG_anon, type Phys } from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'

/** The rooms whose pages are replaced; a Vm has them all. */
export interface Owners {
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly anons: Anons
  readonly objects: ObjectTable
}

export const KIND_NONE = 0
/** Anons, and pages of anonymous objects: they go to swap. */
export const KIND_ANON = 1
export const KIND_FILE = 2
/** Pages of a file that is mapped to be executed. */
export const KIND_EXEC = 3

export function kindOf(owners: Owners, f: number): number {
  const { frames } = owners.phys
  if ((frames.flags[f]! & PG_anon) !== 0) return KIND_ANON
  const object = ownerObject(owners, f)
  if (object === null) return KIND_NONE
  if (isSwapBacked(object)) return KIND_ANON
  return isExecutable(object) ? KIND_EXEC : KIND_FILE
}

/** The object that owns a page, or null: an anon does, or nobody. */
export function ownerObject(owners: Owners, f: number): MemoryObject | null {
  const { frames } = owners.phys
  const owner = frames.owner[f]!
  return owner === 0 || (frames.flags[f]! & PG_anon) !== 0 ? null : (owners.objects.byId.get(owner) ?? null)
}
export function isSwapBacked(object: MemoryObject): boolean {
  return object.pager.swap !== undefined
}
function isExecutable(object: MemoryObject): boolean {
  for (const mapping of object.mappings) if (mapping.isExecutable === true) return true
  return false
}

/** Cached pages of files that are not mapped to be executed, and of those that are. */
export function countFilePages(owners: Owners): { filepages: number; execpages: number } {
  const all = globalStat(owners.phys, NR_FILE_PAGES) - globalStat(owners.phys, NR_SHMEM)
  let execpages = 0
  for (const object of owners.objects.byId.values()) {
    if (isSwapBacked(object) || !isExecutable(object)) continue
    for (let i = object.pages.next(0); i >= 0; i = object.pages.next(i + 1)) if (object.pageAt(i) >= 0) execpages++
  }
  return { filepages: Math.max(0, all - execpages), execpages }
}
