import { CAP_SYS_PTRACE, capable } from '../file/index.ts'
import { isWholly } from './credentials.ts'
import type { Process } from './process.ts'

/**
 * May a process look into, or change, the memory of another one? Its own always; that of the same user, unless the other
 * one has changed its user; any with CAP_SYS_PTRACE.
 *
 * @param asks  which of its user numbers counts
 * @manual ptrace(2), "Ptrace access mode checking"
 */
export function mayAccess({ who }: Process, target: Process, asks: 'real' | 'effective'): boolean {
  const [uid, gid] = asks === 'real' ? [who.realUid, who.realGid] : [who.uid, who.gid]
  return isWholly(target.who, uid, gid) && target.dumpable === 1 ? true : capable(who, CAP_SYS_PTRACE)
}
