import { CAP_SYS_PTRACE, capable } from '../file/index.ts'
import { isWholly } from './credentials.ts'
import type { Process } from './process.ts'

/**
 * May a process look into, or change, the memory of another one? That of the same user, unless the other one has changed
 * its user or may do more; any with CAP_SYS_PTRACE.
 *
 * @param asks  which of its user numbers counts
 * @manual ptrace(2), "Ptrace access mode checking"
 */
export function mayAccess({ who }: Process, target: Process, asks: 'real' | 'effective'): boolean {
  const isReal = asks === 'real'
  const isSame = isWholly(target.who, isReal ? who.realUid : who.uid, isReal ? who.realGid : who.gid)
  const mayAsMuch = (target.who.permitted & ~(isReal ? who.permitted : who.effective)) === 0n
  return (isSame && mayAsMuch && target.dumpable === 1) || capable(who, CAP_SYS_PTRACE)
}
