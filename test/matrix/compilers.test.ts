// The same sources, built by the compilers of this computer: natively, and for RISC-V against glibc. What is printed and
// the exit code must be those of the committed files, which programs/expected holds.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { createSystem } from '../../src/index.ts'
import { missingTool, skipFor } from '../lacks.ts'
import { build, CACHE, CROSS, FOLDER, lackingGlibc, lackingNative, libraryFile } from './builds.ts'
import { PROGRAMS, type ProgramCase } from './programs.ts'

/** hello-pie is the same source as hello, linked another way by musl's build. */
const cases = PROGRAMS.filter(({ name }) => !name.endsWith('-pie'))
const expectedOf = ({ expected }: ProgramCase): string => readFileSync(join(FOLDER, expected), 'utf8')

describe('built by the compiler of this computer, on its own kernel', () => {
  const lacking = lackingNative()
  for (const program of cases) {
    // Real time: on a computer that is very busy an alarm may ring too early.
    it(`${program.name} prints what is expected`, { retry: 2 }, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      const path = join(build('--native'), program.name)
      const { PAGEWRIGHT_GREETING: _, ...env } = process.env
      const { status, stdout } = spawnSync(path, program.smallArgs, { encoding: 'utf8', env, timeout: 30_000 })
      expect({ status, stdout }).toEqual({ status: program.exitCode, stdout: expectedOf(program) })
    })
  }
})

describe('built against static glibc, on this kernel', () => {
  const lacking = lackingGlibc()
  for (const program of cases) {
    it(`${program.name} prints what is expected`, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      const bytes = readFileSync(join(build('--glibc'), `${program.name}.elf`))
      const system = createSystem({ memory: '64M', cpus: 2 })
      const guest = system.spawn(bytes, { name: program.name, args: program.smallArgs })
      const status = system.run(guest)
      system.run()
      expect({ status, stdout: guest.stdout, stderr: guest.stderr }).toEqual({
        status: program.exitCode,
        stdout: expectedOf(program),
        stderr: '',
      })
      system.verify()
      expect(system.report().frames.leaked).toBe(0)
    })
  }
})

describe('linked dynamically, on this kernel', () => {
  it('hello finds its interpreter and libraries in a mounted directory', (context) => {
    const lacking = missingTool(CROSS)
    if (lacking !== null) skipFor(context, lacking)
    const loader = libraryFile('ld-linux-riscv64-lp64d.so.1')
    if (!loader.includes('/')) skipFor(context, `a dynamic glibc for ${CROSS}`)
    mkdirSync(CACHE, { recursive: true })
    const built = mkdtempSync(join(CACHE, 'dynamic-'))
    const sources = ['-I', FOLDER, join(FOLDER, 'hello.c')]
    expect(spawnSync(CROSS, ['-O2', '-o', join(built, 'hello'), ...sources]).status).toBe(0)
    const system = createSystem({ memory: '64M' })
    system.mount(new NodeHostFiles(dirname(loader), true), '/lib')
    const hello = PROGRAMS.find(({ name }) => name === 'hello')!
    const guest = system.spawn(readFileSync(join(built, 'hello')), { args: hello.smallArgs })
    rmSync(built, { recursive: true })
    expect({ status: system.run(guest), stdout: guest.stdout }).toEqual({ status: 0, stdout: expectedOf(hello) })
    expect(guest.maps).toMatch(/^[0-9a-f]+-[0-9a-f]+ r-xp .* \/lib\/libc\.so\.6$/m)
    system.verify()
  })
})
