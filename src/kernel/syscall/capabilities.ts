// capget and capset.

import { EFAULT, EINVAL, EPERM, ESRCH, type Err, isErr, type Sleep } from '../../base/index.ts'
import { CAP_SETPCAP, capable } from '../file/index.ts'
import { copyIn, copyOut, copyOutInt, type Kernel, type Thread } from '../process/index.ts'
import { long, viewOf } from './call.ts'

/** Structures of 32 bits (1), and of twice as many (2 and 3). */
const VERSIONS = new Map([
  [0x19980330, 1],
  [0x20071026, 2],
  [0x20080522, 2],
])
const NEWEST = 0x20080522

interface Header {
  readonly words: number
  readonly pid: number
}
/** struct { u32 version; int pid }. An unknown version is answered with the newest. @errors EFAULT, EINVAL */
function* headerAt(thread: Thread, address: number): Sleep<Header | Err> {
  const bytes = yield* copyIn(thread.space, address, 8)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const words = VERSIONS.get(view.getUint32(0, true))
  if (words !== undefined) return { words, pid: view.getInt32(4, true) }
  const written = yield* copyOutInt(thread.space, address, NEWEST)
  return isErr(written) ? written : EINVAL
}

/** int capget(header *, data *): without data it asks for the version. @manual capget(2) */
export function* capget(kernel: Kernel, thread: Thread): Sleep<number> {
  const address = long(thread, 1)
  const header = yield* headerAt(thread, long(thread, 0))
  if (isErr(header)) return address === 0 && header === EINVAL ? 0 : header
  if (address === 0) return EFAULT
  if (header.pid < 0) return EINVAL
  const process = header.pid === 0 ? thread.process : kernel.processes.byTid.get(header.pid)?.process
  if (process === undefined) return ESRCH
  const { effective, permitted, inheritable } = process.who
  const bytes = new Uint8Array(header.words * 12)
  const view = viewOf(bytes)
  for (let i = 0; i < header.words; i++)
    [effective, permitted, inheritable].forEach((set, field) =>
      view.setUint32(i * 12 + field * 4, Number((set >> BigInt(32 * i)) & 0xffffffffn), true),
    )
  return yield* copyOut(thread.space, address, bytes)
}

/** int capset(header *, const data *): one's own, and never more than is permitted. @manual capset(2) */
export function* capset(_kernel: Kernel, thread: Thread): Sleep<number> {
  const header = yield* headerAt(thread, long(thread, 0))
  if (isErr(header)) return header
  if (header.pid !== 0 && header.pid !== thread.process.pid) return EPERM
  const bytes = yield* copyIn(thread.space, long(thread, 1), header.words * 12)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const sets = [0n, 0n, 0n]
  for (let i = 0; i < header.words; i++)
    for (let field = 0; field < 3; field++)
      sets[field]! |= BigInt(view.getUint32(i * 12 + field * 4, true)) << BigInt(32 * i)
  const [effective, permitted, inheritable] = sets as [bigint, bigint, bigint]
  const old = thread.process.who
  if ((permitted & ~old.permitted) !== 0n || (effective & ~permitted) !== 0n) return EPERM
  const mayInherit = old.inheritable | (capable(old, CAP_SETPCAP) ? old.bounding : old.permitted & old.bounding)
  if ((inheritable & ~(old.inheritable | mayInherit)) !== 0n) return EPERM
  const ambient = old.ambient & permitted & inheritable
  thread.process.setCredentials({ ...old, effective, permitted, inheritable, ambient })
  return 0
}
