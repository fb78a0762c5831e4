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

const BLOCKS = Array.from({ length: 27 }, (_, i) => `X${i + 1}`)
/** What another processor answers stands beside what RISC-V does. */
function expected(block: string, architecture = ''): string {
  const path = join(FOLDER, `expected/probes/${block}`)
  const own = `${path}.${architecture}.txt`
  return readFileSync(architecture !== '' && existsSync(own) ? own : `${path}.txt`, 'utf8')
}
const titleOf = (block: string): string => /^## X\d+ (.*)\n/.exec(expected(block))![1]!
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
  for (const block of BLOCKS) it(`[syscall ${block}] ${titleOf(block)}`, () => runHere(elf, block))
})

describe('probes on this kernel, built against static glibc', () => {
  const lacking = lackingGlibc()
  for (const block of BLOCKS) {
    it(`[syscall ${block}] ${titleOf(block)}`, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      runHere(readFileSync(join(build('--glibc'), 'probe.elf')), block)
    })
  }
})

describe('probes on the kernel of this computer', () => {
  const lacking = lackingNative() ?? lackingKernel()
  for (const block of BLOCKS) {
    it(`[syscall ${block}] ${titleOf(block)}`, (context) => {
      if (lacking !== null) skipFor(context, lacking)
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
