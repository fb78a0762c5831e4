// The same sources, built by the compilers of this computer: natively, and for RISC-V against glibc. What is printed and
// the exit code must be those of the committed files, which programs/expected holds.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { NodeHostFiles } from '../../cli/hostFiles.ts'
import { createSystem } from '../../src/index.ts'
import { missingTool, skipFor } from '../lacks.ts'
import { PROGRAMS, type ProgramCase } from './programs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'programs')
const CC = process.env['CC'] ?? 'cc'
const CROSS = `${process.env['CROSS'] ?? 'riscv64-linux-gnu-'}gcc`
/** What is built stays here until a source or a compiler changes. */
const CACHE = join(root, 'node_modules/.cache/pagewright-programs')

/** hello-pie is the same source as hello, linked another way by musl's build. */
const cases = PROGRAMS.filter(({ name }) => !name.endsWith('-pie'))
const expectedOf = ({ expected }: ProgramCase): string => readFileSync(join(folder, expected), 'utf8')

/** Builds all programs, unless they are there. @returns the folder they are in */
function build(mode: '--native' | '--glibc', compiler: string): string {
  const hash = createHash('sha256').update(spawnSync(compiler, ['--version']).stdout)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort())
    if (/\.(c|h|sh)$/.test(name)) hash.update(name).update(readFileSync(join(folder, name)))
  const place = join(CACHE, `${hash.digest('hex').slice(0, 16)}${mode}`)
  if (existsSync(place)) return place
  mkdirSync(CACHE, { recursive: true })
  const fresh = mkdtempSync(join(CACHE, 'build-'))
  const done = spawnSync('bash', [join(folder, 'build.sh'), mode, fresh], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`programs/build.sh ${mode} failed:\n${done.stderr}`)
  try {
    renameSync(fresh, place)
  } catch {
    rmSync(fresh, { recursive: true }) // somebody else was faster
  }
  return place
}

describe('built by the compiler of this computer, on its own kernel', () => {
  const lacking = missingTool('bash', CC)
  for (const program of cases) {
    // Real time: on a computer that is very busy an alarm may ring too early.
    it(`${program.name} prints what is expected`, { retry: 2 }, (context) => {
      if (process.platform !== 'linux') skipFor(context, 'Linux')
      if (lacking !== null) skipFor(context, lacking)
      const path = join(build('--native', CC), program.name)
      const { PAGEWRIGHT_GREETING: _, ...env } = process.env
      const { status, stdout } = spawnSync(path, program.smallArgs, { encoding: 'utf8', env, timeout: 30_000 })
      expect({ status, stdout }).toEqual({ status: program.exitCode, stdout: expectedOf(program) })
    })
  }
})

describe('built against static glibc, on this kernel', () => {
  const lacking = missingTool('bash', CROSS) ?? (hasStaticGlibc() ? null : `a static glibc for ${CROSS}`)
  for (const program of cases) {
    it(`${program.name} prints what is expected`, (context) => {
      if (lacking !== null) skipFor(context, lacking)
      const bytes = readFileSync(join(build('--glibc', CROSS), `${program.name}.elf`))
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
    const sources = ['-I', folder, join(folder, 'hello.c')]
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

function hasStaticGlibc(): boolean {
  return libraryFile('libc.a').includes('/')
}
/** Where the cross compiler finds a file; the bare name if it does not. */
function libraryFile(name: string): string {
  return spawnSync(CROSS, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}
