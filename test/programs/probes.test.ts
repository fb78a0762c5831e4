// programs/probes: the program tests of the system-call specification (part 4.2), as programs. Each block runs in a process
// of its own, here and on the kernel of this computer; what it prints is compared whole.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { createSystem } from '../../src/index.ts'
import { skipFor } from '../lacks.ts'
import { build, FOLDER, lackingGlibc, lackingNative } from '../matrix/builds.ts'

/** Titles with their numbers, as the specification has them. */
const TITLES = [
  '[syscall X1] RLIMIT_AS',
  '[syscall X2] RLIMIT_DATA counts private writable pages',
  '[syscall X3] max_map_count',
  '[syscall X4] overcommit mode 0 (heuristic)',
  '[syscall X5] low addresses',
  '[syscall X6] high addresses',
  '[syscall X7] process_vm_readv / writev',
  '[syscall X8] memfd_create',
  '[syscall X9] System V shared memory',
  '[syscall X10] membarrier',
  '[syscall X11] userfaultfd',
  '[syscall X12] protection keys',
  '[syscall X13] prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)',
  '[syscall X14] memory policy',
  '[syscall X15] clone with CLONE_VM and vfork',
  '[syscall X16] mlockall',
  '[syscall X17] mseal',
  '[syscall X18] kernel access to user memory',
  '[syscall X19] what can be mapped',
  '[syscall X20] /proc/self/mem writes through protections',
  '[syscall X21] pagemap',
  '[syscall X22] main stack growth',
  '[syscall X23] transparent huge pages',
  '[syscall X24] getrusage faults',
  '[syscall X25] mremap of the heap and of the stack, vdso',
  '[syscall X26] File mapping on ext4: 2 MiB alignment without hint',
  '[syscall X27] execve errors and overlap',
] as const
const blockOf = (title: string): string => /^\[syscall (X\d+)\]/.exec(title)![1]!
/** What another processor answers stands beside what RISC-V does. */
function expected(block: string, architecture = ''): string {
  const path = join(FOLDER, `expected/probes/${block}`)
  const own = `${path}.${architecture}.txt`
  return readFileSync(architecture !== '' && existsSync(own) ? own : `${path}.txt`, 'utf8')
}
/** The program's own word for: the kernel lacks something. */
const LACKING = 77

/** A directory of the host, for temporary files that lie on a disk. */
let disk = ''
beforeAll(() => {
  disk = mkdtempSync(join(tmpdir(), 'probes-'))
})
afterAll(() => rmSync(disk, { recursive: true }))

function runHere(elf: Uint8Array, block: string): void {
  const system = createSystem({ memory: '64M' })
  system.mount(new NodeHostFiles(disk, false), '/disk', true)
  const guest = system.spawn(elf, { name: 'probe', args: [block], env: ['TMPDIR=/disk'] })
  const status = system.run(guest)
  expect({ status, stdout: guest.stdout, stderr: guest.stderr }).toEqual({
    status: 0,
    stdout: expected(block),
    stderr: '',
  })
  system.verify()
}

describe('probes on this kernel', () => {
  const elf = readFileSync(join(FOLDER, 'bin/probe.elf'))
  for (const title of TITLES) it(title, () => runHere(elf, blockOf(title)))
})

describe('probes on this kernel, built against static glibc', () => {
  const lacking = lackingGlibc()
  for (const title of TITLES) {
    it(title, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      runHere(readFileSync(join(build('--glibc'), 'probe.elf')), blockOf(title))
    })
  }
})

describe('probes on the kernel of this computer', () => {
  const lacking = lackingNative() ?? lackingKernel()
  for (const title of TITLES) {
    it(title, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      const block = blockOf(title)
      const { status, stdout } = spawnSync(join(build('--native'), 'probe'), [block], {
        encoding: 'utf8',
        timeout: 20_000,
      })
      if (status === LACKING) skipFor(context, /^lacks (.*)$/m.exec(stdout)?.[1] ?? 'what it does not say')
      expect({ status, stdout }).toEqual({ status: 0, stdout: expected(block, 'x86_64') })
    })
  }
})

/** The specification was recorded by root, on Linux 6.18 for x86-64. */
function lackingKernel(): string | null {
  const [major, minor] = release().split('.').map(Number) as [number, number]
  if (process.arch !== 'x64') return 'an x86-64 processor'
  if (major < 6 || (major === 6 && minor < 18)) return 'Linux 6.18'
  if (process.getuid!() !== 0) return 'root'
  return /^Seccomp:\t0$/m.test(readFileSync('/proc/self/status', 'utf8')) ? null : 'unfiltered system calls'
}
