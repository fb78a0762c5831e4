import {
  type DirNode,
  fixedDir,
  type GeneratedNode,
  mountLines,
  textFile,
  TextFs,
  type TextNode,
} from '../file/index.ts'
import { type Kernel, KERNEL_RELEASE, KERNEL_VERSION, PID_MAX, type Thread } from '../process/index.ts'
import { frameFile, frameFlags, frameMappings } from './frameFiles.ts'
import { swapsText, vmallocinfoText } from './memoryTexts.ts'
import { processDir } from './processDir.ts'
import { cpuinfoText, loadavgText, systemStatText, uptimeText } from './cpuFiles.ts'
import { meminfoText, vmstatText } from './systemFiles.ts'
import { buddyinfoText, pagetypeinfoText, zoneinfoText } from './zoneFiles.ts'
import { vmSettings } from './vmSettings.ts'

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
    kpagecount: frameFile(kernel, frameMappings),
    kpageflags: frameFile(kernel, frameFlags),
    loadavg: text(loadavgText),
    meminfo: text(meminfoText),
    mounts: textFile(() =>
      mountLines(kernel.files)
        .map((line) => `${line}\n`)
        .join(''),
    ),
    self: { kind: 'link', target: () => String(current()?.process.pid ?? 1) },
    stat: text(systemStatText),
    swaps: text(swapsText),
    sys: fixedDir({ kernel: kernelSettings(kernel), vm: vmSettings(kernel) }),
    'thread-self': {
      kind: 'link',
      target: () => `${current()?.process.pid ?? 1}/task/${current()?.tid ?? 1}`,
    },
    uptime: text(uptimeText),
    version: textFile(() => `Linux version ${KERNEL_RELEASE} (pagewright) ${KERNEL_VERSION}\n`),
    vmallocinfo: { ...text(vmallocinfoText), permissions: 0o400 },
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
