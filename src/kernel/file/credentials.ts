/** Capabilities, one bit each: what somebody may do beyond what numbers of users allow. @manual capabilities(7) */
export type CapabilitySet = bigint

export const CAP_CHOWN = 1n << 0n
export const CAP_DAC_OVERRIDE = 1n << 1n
export const CAP_DAC_READ_SEARCH = 1n << 2n
export const CAP_FOWNER = 1n << 3n
export const CAP_FSETID = 1n << 4n
export const CAP_KILL = 1n << 5n
export const CAP_SETGID = 1n << 6n
export const CAP_SETUID = 1n << 7n
export const CAP_SETPCAP = 1n << 8n
export const CAP_IPC_LOCK = 1n << 14n
export const CAP_IPC_OWNER = 1n << 15n
export const CAP_SYS_RAWIO = 1n << 17n
export const CAP_SYS_PTRACE = 1n << 19n
export const CAP_SYS_ADMIN = 1n << 21n
export const CAP_SYS_NICE = 1n << 23n
export const CAP_SYS_RESOURCE = 1n << 24n
/** The largest number of one: CAP_CHECKPOINT_RESTORE. */
export const CAP_LAST = 40
/** What user 0 has: all but CAP_SYS_RESOURCE, as in a container. Nobody goes beyond a hard limit. */
export const ROOT_CAPABILITIES: CapabilitySet = ((1n << BigInt(CAP_LAST + 1)) - 1n) & ~CAP_SYS_RESOURCE

/** Who asks, for permission checks and for the owner of what is created: the effective user and groups. */
export interface Credentials {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly effective: CapabilitySet
}
export const ROOT: Credentials = { uid: 0, gid: 0, groups: [], effective: ROOT_CAPABILITIES }

/** Has `who` this capability in effect? */
export function capable(who: Credentials, capability: CapabilitySet): boolean {
  return (who.effective & capability) !== 0n
}
export function isInGroup(who: Credentials, gid: number): boolean {
  return who.gid === gid || who.groups.includes(gid)
}
