import { EINVAL } from '../../base/index.ts'
import { type DirNode, fixedDir, nameFromBytes, textFile, TextFs, type TextNode } from '../file/index.ts'
import type { LargePages } from '../map/index.ts'
import type { Kernel } from '../process/index.ts'
import { nodesDir } from './nodeFiles.ts'
import { cpuList } from './processTexts.ts'

const LARGE_PAGE_BYTES = 2 * 1024 * 1024

/** The file system of /sys, as far as runtimes look at it: mount it there. */
export function makeSysFs(kernel: Kernel): TextFs {
  const { machine } = kernel
  const cpus = cpuList(machine.cpus.length)
  const line = (text: string | number) => textFile(() => `${text}\n`)
  const perCpu = Object.fromEntries(machine.cpus.map(({ id }) => [`cpu${id}`, fixedDir({ online: line(1) })]))
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
          node: nodesDir(kernel),
        }),
      }),
      fs: fixedDir({ cgroup: fixedDir({}) }),
      kernel: fixedDir({ mm: fixedDir({ hugepages: fixedDir({}), transparent_hugepage: largePageDir(kernel) }) }),
    }),
  )
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
