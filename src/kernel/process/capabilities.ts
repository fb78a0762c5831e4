// Capability sets, one bit each. They are kept and shown; what a process may do is asked of its user number (0: all that
// ALL_CAPABILITIES has).

export interface Capabilities {
  readonly effective: bigint
  readonly permitted: bigint
  readonly inheritable: bigint
}
/** The largest number of one: CAP_CHECKPOINT_RESTORE. */
export const CAP_LAST = 40
const CAP_IPC_LOCK = 14n
const CAP_SYS_RESOURCE = 24n
/** Of user 0: limits hold for everybody here, so nobody may lock more memory or go beyond a hard limit. */
export const ALL_CAPABILITIES = ((1n << BigInt(CAP_LAST + 1)) - 1n) & ~(1n << CAP_IPC_LOCK) & ~(1n << CAP_SYS_RESOURCE)

export function capabilitiesOf(uid: number): Capabilities {
  const all = uid === 0 ? ALL_CAPABILITIES : 0n
  return { effective: all, permitted: all, inheritable: 0n }
}
