import type { VmSpace } from '../map/index.ts'
import type { Kernel } from '../process/index.ts'

/** The address spaces of all processes, each once. */
export function allSpaces({ processes }: Kernel): Set<VmSpace> {
  const spaces = new Set<VmSpace>()
  for (const { space } of processes.byPid.values()) if (space !== null) spaces.add(space)
  return spaces
}
