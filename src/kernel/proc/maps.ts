import type { VmSpace } from '../map/index.ts'
import { mapsLine } from '../process/index.ts'

/**
 * /proc/PID/maps: one line for each entry, ascending.
 *
 *   START-END PERMS OFFSET MAJ:MIN INODE                          NAME
 *
 * @manual proc_pid_maps(5); system-call specification 2.1
 */
export function mapsText(space: VmSpace): string {
  let text = ''
  for (const entry of space.map.entries()) text += `${mapsLine(space, entry)}\n`
  return text
}
