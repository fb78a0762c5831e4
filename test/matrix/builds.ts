// The programs, built by the compilers of this computer: natively, and for RISC-V against glibc.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { missingTool } from '../lacks.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const FOLDER = join(root, 'programs')
export const CC = process.env['CC'] ?? 'cc'
export const CROSS = `${process.env['CROSS'] ?? 'riscv64-linux-gnu-'}gcc`
/** What is built stays here until a source or a compiler changes. */
export const CACHE = join(root, 'node_modules/.cache/pagewright-programs')

/** What this computer lacks to build the programs; null for nothing. */
export function lackingNative(): string | null {
  return process.platform === 'linux' ? missingTool('bash', CC) : 'Linux'
}
export function lackingGlibc(): string | null {
  return missingTool('bash', CROSS) ?? (libraryFile('libc.a').includes('/') ? null : `a static glibc for ${CROSS}`)
}

/** Builds all programs, unless they are there. @returns the folder they are in */
export function build(mode: '--native' | '--glibc'): string {
  const compiler = mode === '--native' ? CC : CROSS
  const hash = createHash('sha256').update(spawnSync(compiler, ['--version']).stdout)
  for (const name of readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).sort())
    if (/\.(c|h|sh)$/.test(name)) hash.update(name).update(readFileSync(join(FOLDER, name)))
  const place = join(CACHE, `${hash.digest('hex').slice(0, 16)}${mode}`)
  if (existsSync(place)) return place
  mkdirSync(CACHE, { recursive: true })
  const fresh = mkdtempSync(join(CACHE, 'build-'))
  const done = spawnSync('bash', [join(FOLDER, 'build.sh'), mode, fresh], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`programs/build.sh ${mode} failed:\n${done.stderr}`)
  try {
    renameSync(fresh, place)
  } catch {
    rmSync(fresh, { recursive: true }) // somebody else was faster
  }
  return place
}
/** Where the cross compiler finds a file; the bare name if it does not. */
export function libraryFile(name: string): string {
  return spawnSync(CROSS, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}
