import { PAGE_SIZE } from '../../base/index.ts'
import { VM_MAYSHARE, type VmMapEntry, type VmSpace } from '../map/index.ts'

/** The name that /proc/PID/maps shows for an entry: a path, "[heap]", "[stack]", or "". */
export function entryName(space: VmSpace, entry: VmMapEntry): string {
  if (entry.file !== null) return entry.file.path.replaceAll('\n', '\\012')
  if (entry.start < space.brk && entry.end > space.startBrk) return '[heap]'
  if (entry.start <= space.startStack && entry.end >= space.startStack) return '[stack]'
  return (entry.vmFlags & VM_MAYSHARE) !== 0 ? '/dev/zero (deleted)' : ''
}

const PERMISSIONS = ['---', 'r--', '-w-', 'rw-', '--x', 'r-x', '-wx', 'rwx']
const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0')

/** One line of /proc/PID/maps, without its newline (Linux specification 2.1). @manual proc_pid_maps(5) */
export function mapsLine(space: VmSpace, entry: VmMapEntry): string {
  const { protection, vmFlags, file } = entry
  const flags = PERMISSIONS[protection & 7]! + ((vmFlags & VM_MAYSHARE) !== 0 ? 's' : 'p')
  const offset = entry.object === null ? 0 : entry.offset * PAGE_SIZE
  const device = file?.device ?? 0
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  const where = `${hex(entry.start, 8)}-${hex(entry.end, 8)} ${flags} ${hex(offset, 8)}`
  const line = `${where} ${hex((device >>> 8) & 0xfff, 2)}:${hex(minor, 2)} ${file?.inode ?? 0} `
  const name = entryName(space, entry)
  return name === '' ? line : line.padEnd(73) + name
}

/** The lines of the entry that holds `va` and of its neighbours, in order. */
export function mapsAround(space: VmSpace, va: number): string[] {
  // The kernel's half, whose addresses are negative here, lies above everything.
  const at = va < 0 ? null : space.map.firstEndingAbove(va)
  let below: VmMapEntry | null = null
  if (at !== null) below = at.prev
  else for (const entry of space.map.entries()) below = entry
  const holds = at !== null && at.start <= va
  const shown = [below, at, holds ? at!.next : null]
  return shown.filter((entry) => entry !== null).map((entry) => mapsLine(space, entry))
}
