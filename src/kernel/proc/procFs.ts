import { EINVAL, isErr, type OrErr } from '../../base/index.ts'
import {
  type DirNode,
  fixedDir,
  type GeneratedNode,
  mountLines,
  nameFromBytes,
  textFile,
  TextFs,
  type TextNode,
} from '../file/index.ts'
import { type Kernel, KERNEL_RELEASE, KERNEL_VERSION, PID_MAX, type Thread } from '../process/index.ts'
import { writeMinFreeKbytes } from '../phys/index.ts'
import { processDir } from './processDir.ts'
import { cpuinfoText, loadavgText, meminfoText, systemStatText, uptimeText, vmstatText } from './systemFiles.ts'
import { buddyinfoText, pagetypeinfoText, zoneinfoText } from './zoneFiles.ts'

/** The file system of /proc: mount it there. */
export function makeProcFs(kernel: Kernel): TextFs {
  const top = topNodes(kernel)
  const root: DirNode = {
    kind: 'dir',
    lookup(name) {
      if (Object.hasOwn(top, name)) return top[name]!
      return /^[1-9]\d{0,9}$/.test(name) ? processDir(kernel, Number(name)) : null
    },
    names: () => [...Object.keys(top), ...[...kernel.processes.byPid.keys()].sort((a, b) => a - b).map(String)],
  }
  return new TextFs(kernel.files, 'proc', root)
}

function topNodes(kernel: Kernel): Record<string, GeneratedNode> {
  const current = () => kernel.machine.current.thread as Thread | null
  const text = (make: (kernel: Kernel) => string) => textFile(() => make(kernel))
  return {
    buddyinfo: text(buddyinfoText),
    cmdline: textFile(() => 'pagewright\n'),
    cpuinfo: text(cpuinfoText),
    filesystems: textFile(() => 'nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tpipefs\n'),
    loadavg: text(loadavgText),
    meminfo: text(meminfoText),
    mounts: textFile(() =>
      mountLines(kernel.files)
        .map((line) => `${line}\n`)
        .join(''),
    ),
    self: { kind: 'link', target: () => String(current()?.process.pid ?? 1) },
    stat: text(systemStatText),
    sys: fixedDir({ kernel: kernelSettings(kernel), vm: vmSettings(kernel) }),
    'thread-self': {
      kind: 'link',
      target: () => `${current()?.process.pid ?? 1}/task/${current()?.tid ?? 1}`,
    },
    uptime: text(uptimeText),
    version: textFile(() => `Linux version ${KERNEL_RELEASE} (pagewright) ${KERNEL_VERSION}\n`),
    vmstat: text(vmstatText),
    pagetypeinfo: text(pagetypeinfoText),
    zoneinfo: text(zoneinfoText),
  }
}

const fixed = (value: number | string): TextNode => textFile(() => `${value}\n`)

function kernelSettings(kernel: Kernel): DirNode {
  return fixedDir({
    domainname: textFile(() => `${kernel.domainname}\n`),
    hostname: textFile(() => `${kernel.hostname}\n`),
    osrelease: fixed(KERNEL_RELEASE),
    ostype: fixed('Linux'),
    pid_max: fixed(PID_MAX),
    randomize_va_space: fixed(0),
    random: fixedDir({
      boot_id: textFile(() => `${uuid(Array.from({ length: 16 }, () => 0x42))}\n`),
      uuid: textFile(() => `${uuid(Array.from({ length: 16 }, () => kernel.machine.rng.below(256)))}\n`),
    }),
    'threads-max': textFile(() => `${kernel.processes.limit}\n`),
    version: fixed(KERNEL_VERSION),
  })
}
/** A version 4 UUID of 16 bytes. */
function uuid(bytes: number[]): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function vmSettings(kernel: Kernel): DirNode {
  const { phys, machine } = kernel
  return fixedDir({
    compact_unevictable_allowed: fixed(1),
    dirty_background_ratio: fixed(10),
    dirty_ratio: fixed(20),
    // Every process has Linux's default; the limit itself lies in its address space.
    max_map_count: fixed(65530),
    min_free_kbytes: {
      kind: 'text',
      permissions: 0o644,
      read: () => `${phys.tunables.minFreeKbytes}\n`,
      write(bytes): OrErr<0> {
        const value = Number(nameFromBytes(bytes).trim() || 'x')
        if (!Number.isInteger(value) || value < 0) return EINVAL
        const done: unknown = writeMinFreeKbytes(phys, value)
        return isErr(done) ? done : 0
      },
    },
    mmap_min_addr: fixed(machine.layout.user.start),
    nr_hugepages: fixed(0),
    nr_overcommit_hugepages: fixed(0),
    // A single request above all RAM is refused, nothing else.
    overcommit_kbytes: fixed(0),
    overcommit_memory: fixed(0),
    overcommit_ratio: fixed(50),
    'page-cluster': fixed(3),
    swappiness: fixed(60),
    vfs_cache_pressure: fixed(100),
  })
}
