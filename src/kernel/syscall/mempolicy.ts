// On which nodes memory is wanted: policies are checked, kept and shown; pages move when they are asked to.

import {
  ADDRESS_END,
  EACCES,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  EPERM,
  ESRCH,
  type Err,
  isErr,
  isPageAligned,
  type OrErr,
  PAGE_SIZE,
  type Pfn,
  pageLength,
  type Sleep,
  truncPage,
  unsigned64,
} from '../../base/index.ts'
import { READ, uvmFault } from '../fault/index.ts'
import { CAP_SYS_NICE, capable } from '../file/index.ts'
import {
  type MemoryPolicy,
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  setHomeNode as setHome,
  setPolicy,
  type VmSpace,
} from '../map/index.ts'
import { __GFP_THISNODE, allocPagesNodeTry, GFP_HIGHUSER_MOVABLE, type Phys, putPage } from '../phys/index.ts'
import { pmapForEach, pmapLookup } from '../pmap/index.ts'
import { copyIn, copyOut, copyOutInt, type Kernel, mayAccess, type Process, type Thread } from '../process/index.ts'
import { getUnsigned, int, long, size, viewOf } from './call.ts'

const MPOL_F_STATIC_NODES = 1 << 15
const MPOL_F_RELATIVE_NODES = 1 << 14
const MPOL_F_NUMA_BALANCING = 1 << 13
const MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING
const MPOL_MF_STRICT = 1
const MPOL_MF_MOVE = 2
const MPOL_MF_MOVE_ALL = 4
/** Bits of a node mask that may be set. */
const NODE_LIMIT = 31
const MASK_BITS_MAX = PAGE_SIZE * 8

// Node masks are numbers here: one bit for each of at most 31 nodes.
const onlineNodes = (phys: Phys): number => phys.onlineNodes.reduce((mask, { id }) => mask | (1 << id), 0)
/** One more than the largest number of a node. */
const nodeIds = (phys: Phys): number => 32 - Math.clz32(onlineNodes(phys))
const hasNode = (mask: number, node: number): boolean => node >= 0 && node < NODE_LIMIT && (mask & (1 << node)) !== 0
const nodeOf = (phys: Phys, pfn: Pfn): number => phys.zoneOf(phys.frames.indexOf(pfn)).node

/** A mask of `maxnode - 1` bits. @errors EINVAL too long, or a bit that no node can have; EFAULT */
function* nodesAt(thread: Thread, address: number, maxnode: number): Sleep<{ nodes: number } | Err> {
  const bits = maxnode - 1
  if (bits === 0 || address === 0) return { nodes: 0 }
  if (bits < 0 || bits > MASK_BITS_MAX) return EINVAL
  const bytes = yield* copyIn(thread.space, address, Math.ceil(bits / 64) * 8)
  if (isErr(bytes)) return bytes
  let nodes = 0
  for (let i = 0; i < bits; i++) {
    if ((bytes[i >> 3]! & (1 << (i & 7))) === 0) continue
    if (i >= NODE_LIMIT) return EINVAL
    nodes |= 1 << i
  }
  return { nodes }
}

/** A mode with its flags, parted. */
function modeOf(given: number): OrErr<{ mode: number; flags: number }> {
  const flags = given & MODE_FLAGS
  const mode = given & ~MODE_FLAGS
  if (mode < 0 || mode > MPOL_WEIGHTED_INTERLEAVE) return EINVAL
  const both = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES
  if ((flags & both) === both) return EINVAL
  if ((flags & MPOL_F_NUMA_BALANCING) !== 0 && mode !== MPOL_BIND && mode !== MPOL_PREFERRED_MANY) return EINVAL
  return { mode, flags }
}

/** The policy that a mode and a mask make; null for the default one. @errors EINVAL */
function makePolicy(phys: Phys, mode: number, flags: number, asked: number): MemoryPolicy | null | Err {
  const online = onlineNodes(phys)
  const placed = (flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) !== 0
  if (mode === MPOL_DEFAULT) return asked === 0 ? null : EINVAL
  if (mode === MPOL_LOCAL || (mode === MPOL_PREFERRED && asked === 0)) {
    if (asked !== 0 || placed) return EINVAL
    return { mode: MPOL_LOCAL, flags, nodes: 0, userNodes: 0, homeNode: -1 }
  }
  let nodes = asked & online
  if ((flags & MPOL_F_RELATIVE_NODES) !== 0) nodes = relativeNodes(asked, nodeIds(phys))
  if (nodes === 0) return EINVAL
  if (mode === MPOL_PREFERRED) nodes &= -nodes
  return { mode, flags, nodes, userNodes: asked, homeNode: -1 }
}
/** MPOL_F_RELATIVE_NODES: bit i means the i-th node there is, counted round and round. */
function relativeNodes(asked: number, count: number): number {
  let nodes = 0
  for (let i = 0; i < NODE_LIMIT; i++) if ((asked & (1 << i)) !== 0) nodes |= 1 << (i % count)
  return nodes
}

/** long set_mempolicy(int mode, const unsigned long *nodes, unsigned long maxnode) @manual set_mempolicy(2) */
export function* setMempolicy({ phys }: Kernel, thread: Thread): Sleep<number> {
  const given = modeOf(int(thread, 0))
  if (isErr(given)) return given
  const asked = yield* nodesAt(thread, long(thread, 1), size(thread, 2))
  if (isErr(asked)) return asked
  const policy = makePolicy(phys, given.mode, given.flags, asked.nodes)
  if (isErr(policy)) return policy
  thread.policy = policy
  return 0
}

/** long mbind(void *addr, unsigned long len, int mode, const unsigned long *nodes, maxnode, flags) @manual mbind(2) */
export function* mbind(kernel: Kernel, thread: Thread): Sleep<number> {
  const { phys } = kernel
  const start = unsigned64(long(thread, 0))
  const given = modeOf(int(thread, 2))
  if (isErr(given)) return given
  const asked = yield* nodesAt(thread, long(thread, 3), size(thread, 4))
  if (isErr(asked)) return asked
  let flags = int(thread, 5)
  if ((flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0) return EINVAL
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !capable(thread.process.who, CAP_SYS_NICE)) return EPERM
  if (!isPageAligned(start)) return EINVAL
  if (given.mode === MPOL_DEFAULT) flags &= ~MPOL_MF_STRICT
  const end = start + pageLength(long(thread, 1))
  if (end >= ADDRESS_END) return EINVAL
  if (end === start) return 0
  const policy = makePolicy(phys, given.mode, given.flags, asked.nodes)
  if (isErr(policy)) return policy
  const { space } = thread
  const wanted = policy === null || policy.nodes === 0 ? onlineNodes(phys) : policy.nodes
  const moves = (flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0
  const isAllowed = (_entry: unknown, s: number, e: number): 0 | Err =>
    (flags & MPOL_MF_STRICT) !== 0 && !moves && misplaced(space, s, e, wanted).length > 0 ? EIO : 0
  const error = yield* setPolicy(space, start, end, policy, isAllowed)
  if (error !== 0 || !moves) return error
  let left = 0
  for (const va of misplaced(space, start, Math.min(end, space.map.max), wanted))
    if ((yield* movePage(kernel, space, va, 31 - Math.clz32(wanted & -wanted), true)) !== 0) left++
  return left > 0 && (flags & MPOL_MF_STRICT) !== 0 ? EIO : 0
}
/** Resident pages of a range that lie on none of the nodes. */
function misplaced(space: VmSpace, start: number, end: number, nodes: number): number[] {
  const { phys, zeroPfn } = space.vm
  const found: number[] = []
  pmapForEach(space.pmap, start, end, (va, pfn) => {
    if (pfn === zeroPfn || phys.frames.indexOf(pfn as Pfn) < 0) return
    if (!hasNode(nodes, nodeOf(phys, pfn as Pfn))) found.push(va)
  })
  return found
}

const MPOL_F_NODE = 1
const MPOL_F_ADDR = 2
const MPOL_F_MEMS_ALLOWED = 4
/** long get_mempolicy(int *mode, unsigned long *nodes, maxnode, void *addr, flags) @manual get_mempolicy(2) */
export function* getMempolicy(kernel: Kernel, thread: Thread): Sleep<number> {
  const [modeAddress, nodesAddress] = [long(thread, 0), long(thread, 1)]
  const maxnode = size(thread, 2)
  const nodeCount = nodeIds(kernel.phys)
  if (nodesAddress !== 0 && maxnode < nodeCount) return EINVAL
  const answer = yield* policyAnswer(kernel, thread)
  if (isErr(answer)) return answer
  if (modeAddress !== 0) {
    const written = yield* copyOutInt(thread.space, modeAddress, answer.value)
    if (isErr(written)) return written
  }
  if (nodesAddress === 0) return 0
  // Near 2^64 the number of bytes wraps, and nothing is written.
  const bytes = (Math.ceil((maxnode - 1) / 64) * 8) % (ADDRESS_END / 8)
  if (bytes > PAGE_SIZE) return EINVAL
  const mask = new Uint8Array(bytes)
  for (let i = 0; i < Math.min(maxnode - 1, nodeCount); i++) if (hasNode(answer.nodes, i)) mask[i >> 3]! |= 1 << (i & 7)
  return yield* copyOut(thread.space, nodesAddress, mask)
}
function* policyAnswer({ phys }: Kernel, thread: Thread): Sleep<{ value: number; nodes: number } | Err> {
  const address = long(thread, 3)
  const flags = size(thread, 4)
  const { space } = thread
  if (flags > 7) return EINVAL
  const asksNode = (flags & MPOL_F_NODE) !== 0
  const asksAddress = (flags & MPOL_F_ADDR) !== 0
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0)
    return asksNode || asksAddress ? EINVAL : { value: 0, nodes: onlineNodes(phys) }
  let { policy } = thread
  if (asksAddress) {
    const entry = address >= 0 ? space.map.lookup(address) : null
    if (entry === null) return EFAULT
    policy = entry.policy
  } else if (address !== 0) return EINVAL
  const nodes = policy === null ? 0 : (policy.flags & ~MPOL_F_NUMA_BALANCING) !== 0 ? policy.userNodes : policy.nodes
  if (!asksNode) return { value: policy === null ? MPOL_DEFAULT : policy.mode | policy.flags, nodes }
  if (asksAddress) {
    const va = truncPage(address)
    if (!pmapLookup(space.pmap, va)) {
      const error = yield* uvmFault(space, va, READ)
      if (isErr(error)) return EFAULT
      pmapLookup(space.pmap, va)
    }
    const pfn = space.vm.pmaps.pfn as Pfn
    return { value: phys.frames.indexOf(pfn) < 0 ? 0 : nodeOf(phys, pfn), nodes }
  }
  if (policy?.mode !== MPOL_INTERLEAVE && policy?.mode !== MPOL_WEIGHTED_INTERLEAVE) return EINVAL
  return { value: 31 - Math.clz32(policy.nodes & -policy.nodes), nodes }
}

/** long set_mempolicy_home_node(start, len, home_node, flags) @manual set_mempolicy_home_node(2) */
export function* setHomeNode({ phys }: Kernel, thread: Thread): Sleep<number> {
  const start = unsigned64(long(thread, 0))
  const node = size(thread, 2)
  if (!isPageAligned(start) || size(thread, 3) !== 0 || node >= nodeIds(phys)) return EINVAL
  const end = start + pageLength(long(thread, 1))
  if (end >= ADDRESS_END) return EINVAL
  return end === start ? 0 : yield* setHome(thread.space, start, end, node, ENOENT)
}

/** A process whose memory the caller may look at; 0 is the caller. @errors ESRCH, EPERM */
function reachable(kernel: Kernel, thread: Thread, pid: number): OrErr<Process & { space: VmSpace }> {
  const process = pid === 0 ? thread.process : (kernel.processes.byPid.get(pid) ?? null)
  if (process === null || process.space === null) return ESRCH
  if (process !== thread.process && !mayAccess(thread.process, process, 'real')) return EPERM
  return process as Process & { space: VmSpace }
}

/** long migrate_pages(int pid, maxnode, const unsigned long *old, const unsigned long *new) @manual migrate_pages(2) */
export function* migratePages(kernel: Kernel, thread: Thread): Sleep<number> {
  const maxnode = size(thread, 1)
  const from = yield* nodesAt(thread, long(thread, 2), maxnode)
  if (isErr(from)) return from
  const to = yield* nodesAt(thread, long(thread, 3), maxnode)
  if (isErr(to)) return to
  const process = reachable(kernel, thread, int(thread, 0))
  if (isErr(process)) return process
  const online = onlineNodes(kernel.phys)
  if ((to.nodes & ~online) !== 0 && !capable(thread.process.who, CAP_SYS_NICE)) return EPERM
  const targets = to.nodes & online
  if (targets === 0) return EINVAL
  const { space } = process
  let left = 0
  for (const va of misplaced(space, 0, space.map.max, ~(from.nodes & online & ~targets)))
    if ((yield* movePage(kernel, space, va, 31 - Math.clz32(targets & -targets), false)) !== 0) left++
  return left
}

const PIECE = 512
/** long move_pages(int pid, count, void **pages, const int *nodes, int *status, int flags) @manual move_pages(2) */
export function* movePages(kernel: Kernel, thread: Thread): Sleep<number> {
  const count = size(thread, 1)
  const [pages, nodes, status] = [long(thread, 2), long(thread, 3), long(thread, 4)]
  const flags = int(thread, 5)
  if ((flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0) return EINVAL
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !capable(thread.process.who, CAP_SYS_NICE)) return EPERM
  const process = reachable(kernel, thread, int(thread, 0))
  if (isErr(process)) return process
  const { space } = process
  const online = onlineNodes(kernel.phys)
  for (let done = 0; done < count; done += PIECE) {
    const n = Math.min(PIECE, count - done)
    const addresses = yield* copyIn(thread.space, pages + done * 8, n * 8)
    if (isErr(addresses)) return addresses
    const wanted = nodes === 0 ? null : yield* copyIn(thread.space, nodes + done * 4, n * 4)
    if (isErr(wanted)) return wanted
    const answers = new Uint8Array(n * 4)
    for (let i = 0; i < n; i++) {
      const va = getUnsigned(viewOf(addresses), i * 8)
      const target = wanted === null ? -1 : viewOf(wanted).getInt32(i * 4, true)
      if (wanted !== null && !hasNode(online, target)) return ENODEV
      viewOf(answers).setInt32(i * 4, yield* placeOf(kernel, space, va, target, (flags & MPOL_MF_MOVE_ALL) !== 0), true)
    }
    const written = yield* copyOut(thread.space, status + done * 4, answers)
    if (isErr(written)) return written
  }
  return 0
}
/** Node of a page, moved there first if `target` is one. @returns EFAULT nothing mapped, ENOENT not resident, EACCES */
function* placeOf(kernel: Kernel, space: VmSpace, address: number, target: number, all: boolean): Sleep<number> {
  const va = truncPage(address)
  const { phys, pmaps, zeroPfn } = space.vm
  if (va >= space.map.max || space.map.lookup(va) === null) return EFAULT
  if (!pmapLookup(space.pmap, va)) return ENOENT
  const pfn = pmaps.pfn as Pfn
  const f = phys.frames.indexOf(pfn)
  if (pfn === zeroPfn || f < 0) return EFAULT
  const node = nodeOf(phys, pfn)
  if (target < 0 || node === target) return node
  if (phys.frames.mapcount[f]! > 0 && !all) return EACCES
  const error = yield* movePage(kernel, space, va, target, all)
  return error === 0 ? target : error
}
/** Moves the page at `va` to a node. @errors ENOENT, EACCES others map it too, EBUSY, EAGAIN, ENOMEM */
function* movePage({ phys }: Kernel, space: VmSpace, va: number, node: number, all: boolean): Sleep<0 | Err> {
  if (!pmapLookup(space.pmap, va)) return ENOENT
  const pfn = space.vm.pmaps.pfn as Pfn
  if (phys.frames.mapcount[phys.frames.indexOf(pfn)]! > 0 && !all) return EACCES
  const { reclaimer } = phys
  const to = allocPagesNodeTry(phys, node, GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, 0)
  if (typeof to === 'symbol' || isErr(to)) return typeof to === 'symbol' ? EIO : to
  reclaimer?.drainLru()
  if (reclaimer === null || !reclaimer.isolateLru(pfn)) {
    putPage(phys, to)
    return ENOENT
  }
  const error = yield* reclaimer.migrate(pfn, to, 'MIGRATE_SYNC', true)
  if (error !== 0) putPage(phys, to)
  reclaimer.putBackLru(pfn)
  return error
}
