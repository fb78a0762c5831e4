import { EINVAL } from '../../base/index.ts'
import { type DirNode, fixedDir, nameFromBytes, textFile, TextFs, type TextNode } from '../file/index.ts'
import type { LargePages } from '../map/index.ts'
import type { Kernel } from '../process/index.ts'
import { cpuList } from './processTexts.ts'

const LARGE_PAGE_BYTES = 2 * 1024 * 1024

/** The file system of /sys, as far as runtimes look at it: mount it there. */
export function makeSysFs(kernel: Kernel): TextFs {
  const { machine, phys } = kernel
  const cpus = cpuList(machine.cpus.length)
  const nodeIds = phys.onlineNodes.map(({ id }) => id)
  const nodes = nodeIds.length === 1 ? '0' : `0-${nodeIds.at(-1)}`
  const line = (text: string | number) => textFile(() => `${text}\n`)
  const perCpu = Object.fromEntries(machine.cpus.map(({ id }) => [`cpu${id}`, fixedDir({ online: line(1) })]))
  const perNode = Object.fromEntries(nodeIds.map((id) => [`node${id}`, nodeDir(kernel, id)]))
  return new TextFs(
    kernel.files,
    'sysfs',
    fixedDir({
      devices: fixedDir({
        system: fixedDir({
          cpu: fixedDir({
            ...perCpu,
            offline: line(''),
            online: line(cpus),
            possible: line(cpus),
            present: line(cpus),
          }),
          node: fixedDir({
            ...perNode,
            has_cpu: line(nodes),
            has_memory: line(nodes),
            online: line(nodes),
            possible: line(nodes),
          }),
        }),
      }),
      fs: fixedDir({ cgroup: fixedDir({}) }),
      kernel: fixedDir({ mm: fixedDir({ hugepages: fixedDir({}), transparent_hugepage: largePageDir(kernel) }) }),
    }),
  )
}

function nodeDir({ machine, phys }: Kernel, id: number): DirNode {
  const cpus = machine.cpus.filter((cpu) => cpu.node === id).map((cpu) => cpu.id)
  const list = cpus.length === 0 ? '' : cpus.length === 1 ? String(cpus[0]) : `${cpus[0]}-${cpus.at(-1)}`
  const kb = (pages: number) => String(pages * 4).padStart(8)
  return fixedDir({
    cpulist: textFile(() => `${list}\n`),
    distance: textFile(() => `${phys.onlineNodes.map((node) => (node.id === id ? 10 : 20)).join(' ')}\n`),
    meminfo: textFile(() => {
      const { zones } = phys.nodes[id]!
      const total = zones.reduce((sum, zone) => sum + zone.managed, 0)
      const free = zones.reduce((sum, zone) => sum + zone.stat[0]!, 0)
      return (
        `Node ${id} MemTotal:       ${kb(total)} kB\nNode ${id} MemFree:        ${kb(free)} kB\n` +
        `Node ${id} MemUsed:        ${kb(total - free)} kB\n`
      )
    }),
  })
}

const WORDS: readonly (readonly [word: string, policy: LargePages])[] = [
  ['always', 'always'],
  ['madvise', 'advised'],
  ['never', 'never'],
]
/** `always [madvise] never`; writing one of the words chooses it. */
function enabledFile({ vm }: Kernel): TextNode {
  return {
    kind: 'text',
    permissions: 0o644,
    read: () => `${WORDS.map(([word, policy]) => (policy === vm.largePages ? `[${word}]` : word)).join(' ')}\n`,
    write(bytes) {
      const found = WORDS.find(([word]) => word === nameFromBytes(bytes).trim())
      if (found === undefined) return EINVAL
      vm.largePages = found[1]
      return 0
    },
  }
}
function largePageDir(kernel: Kernel): DirNode {
  return fixedDir({
    defrag: textFile(() => 'always defer defer+madvise madvise [never]\n'),
    enabled: enabledFile(kernel),
    hpage_pmd_size: textFile(() => `${LARGE_PAGE_BYTES}\n`),
    shmem_enabled: textFile(() => 'always within_size advise [never] deny force\n'),
    use_zero_page: textFile(() => '0\n'),
  })
}
