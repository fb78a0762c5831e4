// The listings of pmap(1) (uvm specification 4.2.2).

import { KiB, PAGE_SIZE } from '../../base/index.ts'
import type { Amap } from '../anon/index.ts'
import type { VmMap, VmMapEntry } from '../map/index.ts'

const hex = (n: number): string => BigInt.asUintN(64, BigInt(n)).toString(16)
const hex16 = (n: number): string => hex(n).padStart(16, '0')
function rwx(prot: number): string {
  return `${(prot & 1) !== 0 ? 'r' : '-'}${(prot & 2) !== 0 ? 'w' : '-'}${(prot & 4) !== 0 ? 'x' : '-'}`
}
const kibOf = (e: VmMapEntry): number => (e.end - e.start) / KiB
function lines(map: VmMap, line: (e: VmMapEntry) => string): string {
  return [...map.entries()].map((e) => `${line(e)}\n`).join('')
}
/** major:minor, two hex digits each. */
function deviceOf(e: VmMapEntry): string {
  const device = e.file?.device ?? 0
  const two = (n: number): string => n.toString(16).padStart(2, '0')
  return `${two(Math.floor(device / 256))}:${two(device % 256)}`
}
const offsetOf = (e: VmMapEntry): number => e.offset * PAGE_SIZE

/** `pmap -m`: addresses, protections, copy-on-write, needs-copy, inheritance, wirings, advice. */
export function pmapMapText(map: VmMap): string {
  return lines(map, (e) => {
    const range = `0x${hex(e.start)} 0x${hex(e.end)}`
    const how = `${e.isCow ? 'COW' : 'NCOW'} ${e.needsCopy ? 'NC' : 'NNC'}`
    return `${range} ${rwx(e.protection)} ${rwx(e.maxProtection)} ${how} ${e.inheritance} ${e.wiredCount} ${e.advice}`
  })
}

/** `pmap -l`: the lines of /proc/PID/maps. */
export function pmapMapsText(map: VmMap): string {
  return lines(map, (e) => {
    const where = `${hex16(e.start)}-${hex16(e.end)} ${rwx(e.protection)}${e.isCow ? 'p' : 's'} ${hex16(offsetOf(e))}`
    return `${where} ${deviceOf(e)} ${e.file?.inode ?? 0}     ${e.file?.path ?? ''}`
  })
}

/** The default: addresses, sizes and what is mapped; what allows no access does not count in the total. */
export function pmapText(map: VmMap): string {
  let total = 0
  const text = lines(map, (e) => {
    if (e.protection !== 0) total += kibOf(e)
    const words = ['read', 'write', 'exec'].filter((_, bit) => (e.protection & (1 << bit)) !== 0).join('/')
    const size = `${String(kibOf(e)).padStart(6)}K`
    return `${hex16(e.start).toUpperCase()} ${size} ${words.padEnd(15)}   ${nameOf(map, e)}`
  })
  return `${text} total${' '.repeat(10)} ${String(total).padStart(6)}K\n`
}

/** `pmap -a`: everything. */
export function pmapAllText(map: VmMap): string {
  const head = 'Start            End                 Size  Offset           rwxpc  RWX  I/W/A Dev     Inode - File\n'
  const body = lines(map, (e) => {
    const where = `${hex16(e.start)}-${hex16(e.end - 1)} ${String(kibOf(e)).padStart(7)}k ${hex16(offsetOf(e))}`
    const how = `${rwx(e.protection)}${e.isCow ? 'p' : 's'}${e.needsCopy ? '+' : '-'} (${rwx(e.maxProtection)})`
    const file = `${deviceOf(e)} ${String(e.file?.inode ?? 0).padStart(7)} - ${nameOf(map, e)}`
    return `${where} ${how} ${e.inheritance}/${e.wiredCount}/${e.advice} ${file}`
  })
  return head + body
}

/** What the kernel debugger prints of a map. Ids are labels only, numbered as they appear. */
export function pmapDebugText(map: VmMap, id = 1): string {
  const ids = new Map<object | Amap, number>()
  const idOf = (what: object | null): number => {
    if (what === null) return 0
    if (!ids.has(what)) ids.set(what, ids.size + 1)
    return ids.get(what)!
  }
  const flags =
    (map.isPageable ? 0x01 : 0) |
    (map.wireFuture ? 0x04 : 0) |
    (map.isDying ? 0x20 : 0) |
    (map.isTopdown ? 0x40 : 0) |
    (map.spaceQueue.isEmpty ? 0 : 0x100)
  const counts = `#ent=${map.entryCount}, sz=${map.size}, ref=${map.space?.refs ?? 1}`
  const { pmap } = map
  return (
    `MAP ${id}: [0x${hex(map.min)}->0x${hex(map.max)}]\n` +
    `\t${counts}, version=${map.lock.timestamp}, flags=0x${flags.toString(16)}\n` +
    `\tpmap=${pmap.id}(resident=${pmap.residentCount}, wired=${pmap.wiredCount})\n` +
    lines(map, (e) => {
      const object = `obj=${idOf(e.object)}/0x${hex(offsetOf(e))}`
      const slot = e.amap === null ? 0 : e.amapSlot - e.amap.firstSlot
      const flag = (isSet: boolean): string => (isSet ? 'T' : 'F')
      const how = `submap=F, cow=${flag(e.isCow)}, nc=${flag(e.needsCopy)}, prot(max)=${e.protection}/${e.maxProtection}`
      return (
        ` - ${idOf(e)}: 0x${hex(e.start)}->0x${hex(e.end)}: ${object}, amap=${idOf(e.amap)}/${slot}\n` +
        `\t${how}, inh=${e.inheritance}, wc=${e.wiredCount}, adv=${e.advice}`
      )
    })
  )
}

function nameOf(map: VmMap, e: VmMapEntry): string {
  if (e.file !== null) return e.file.path
  const { space } = map
  if (space !== null && space.startBrk < space.brk && e.start < space.brk && e.end > space.startBrk) return '  [ heap ]'
  if (space !== null && space.startStack !== 0 && e.start <= space.startStack && space.startStack < e.end)
    return '  [ stack ]'
  if (e.object === null) return '  [ anon ]'
  if (e.object.pager.name === 'aobj') return '  [ uvm_aobj ]'
  const backing = e.object.backing as { readonly name?: string } | null
  return backing?.name === undefined ? '  [ device 0,0 ]' : `/dev/${backing.name}`
}
