// The command line as a person meets it: a child process, its streams, its exit code.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { execute } from '../../cli/pagewright.ts'
import type { Report } from '../../src/index.ts'
import { addi, call, exit, jump, li, lui, sd, tinyElf } from '../tinyElf.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'pagewright-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}
/** In a process of its own, for what needs one: standard input, signals, the launcher. */
function start(args: string[]): { child: ChildProcess; speaks: Promise<unknown>; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(root, 'cli/pagewright.mjs'), ...args], { cwd: folder })
  let stdout = ''
  let stderr = ''
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const speaks = new Promise((resolve) => child.stdout!.once('data', resolve))
  const ended = new Promise<Ended>((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })))
  return { child, speaks, ended }
}
/** In this process: the streams are caught. */
async function pagewright(args: string[]): Promise<Ended> {
  const caught = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      caught[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      return true
    }),
  )
  try {
    return { status: await execute(args), ...caught }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
function program(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}
const committed = (name: string): string => join(root, 'programs/bin', name)
const oneLine = /^pagewright: [^\n]+\n$/

describe('pagewright run', () => {
  it('passes arguments, output and exit code through', async () => {
    const expected = readFileSync(join(root, 'programs/expected/hello.txt'), 'utf8')
    expect(await pagewright(['run', committed('hello.elf'), '3', 'one', 'two words'])).toEqual({
      status: 0,
      stdout: expected,
      stderr: '',
    })
    expect((await pagewright(['run', program('seven', tinyElf(exit(7)))])).status).toBe(7)
  })
  it('passes the environment it was told, and standard input', async () => {
    const hello = await pagewright(['run', '--env', 'PAGEWRIGHT_GREETING=good day', committed('hello.elf'), '1'])
    expect(hello.stdout).toContain('greeting good day')
    // Copies standard input to standard output, one byte at a time.
    const cat = [
      [addi('sp', 'sp', -16), li('a0', 0), addi('a1', 'sp', 0), li('a2', 1), ...call(63)],
      [0x00a04863, ...exit(0)], // bgtz a0, +16: over the exit
      [li('a0', 1), addi('a1', 'sp', 0), li('a2', 1), ...call(64), jump(-56)],
    ].flat()
    const { child, ended } = start(['run', program('cat', tinyElf(cat))])
    child.stdin!.end('some\nbytes')
    expect(await ended).toEqual({ status: 0, stdout: 'some\nbytes', stderr: '' })
  })
  it('reports as text to standard error and as JSON to a file', async () => {
    const text = await pagewright(['run', '--report', '--tlb', '16x4', committed('hello.elf'), '1'])
    expect(text.stderr).toMatch(/^-- pagewright report -/)
    expect(text.stderr).toContain('TLB of 16 x 4 ways, sv48')
    for (const line of text.stderr.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
    const json = await pagewright([
      'run',
      '--report=json',
      '--report-file',
      join(folder, 'r.json'),
      committed('hello.elf'),
      '1',
    ])
    expect(json.stderr).toBe('')
    const report = JSON.parse(readFileSync(join(folder, 'r.json'), 'utf8')) as Report
    expect(report.end).toEqual({ status: 0, signal: null, cause: null })
    expect(report.frames.leaked).toBe(0)
    expect(report.processes[0]!.maps!.at(-1)).toMatch(/\[stack\]$/)
  })
  it('shows files of /proc as the program ends, its memory still being there', async () => {
    const hello = committed('hello.elf')
    const both = await pagewright(['run', '--show', '/proc/self/smaps', '--show', '/proc/meminfo', hello, '1'])
    expect(both.status).toBe(0)
    expect(both.stdout).toContain('hello from a RISC-V page, line 1')
    expect(both.stderr).toMatch(/^==> \/proc\/self\/smaps <==\n00010000-\S+ r-xp .*\/hello.elf\nSize: /)
    expect(both.stderr).toMatch(/\nVmFlags: [^\n]*\n\n==> \/proc\/meminfo <==\nMemTotal: {9}262\d{3} kB\n/)
    const file = join(folder, 'maps')
    const one = await pagewright(['run', '--show', '/proc/self/maps', '--show-file', file, hello, '1'])
    expect(one.stderr).toBe('')
    expect(readFileSync(file, 'utf8')).toMatch(/^00010000-[^]* \[stack\]\n$/)
    // A program that is ended by a signal is shown too.
    const wild = program('wild2', tinyElf([lui('t0', 0xdead), sd('zero', 't0', 8)]))
    const ended = await pagewright(['run', '--show', '/proc/self/statm', wild])
    expect(ended.status).toBe(139)
    expect(ended.stderr).toMatch(/^[1-9]\d* [1-9]\d* \d+ 1 0 \d+ 0$/m)
  })
  it('ends a program with a wild pointer with 139, telling address, kind and mappings around it', async () => {
    const wild = program('wild', tinyElf([lui('t0', 0xdead), sd('zero', 't0', 8)]))
    const { status, stderr } = await pagewright(['run', wild])
    expect(status).toBe(139)
    expect(stderr).toMatch(/^pagewright: .*wild: ended by SIGSEGV\ncause +store at 0xdead008: no mapping; pc 0x1007c\n/)
    expect(stderr).toMatch(/^ +00010000-00011000 rwxp .*\/bin\/wild$/m)
    expect(stderr).toMatch(/^> 0dead008 {2}nothing is mapped here$/m)
    const closed = await pagewright(['run', program('closed', tinyElf([sd('zero', 'zero', 0)]))])
    expect(closed.status).toBe(139)
  })
  it('ends a program that eats all memory, and itself goes on', async () => {
    const eat = [
      [li('a0', 0), lui('a1', 0x10000), li('a2', 3), lui('a3', 4), addi('a3', 'a3', 0x22)],
      [addi('a4', 'zero', -1), li('a5', 0), ...call(222), lui('t1', 1)],
      [sd('zero', 'a0', 0), 0x00650533, jump(-8)], // add a0, a0, t1
    ].flat()
    const { status, stderr } = await pagewright(['run', '--memory', '16M', program('eat', tinyElf(eat))])
    expect(status).toBe(137)
    expect(stderr).toContain('out of memory')
  })
  it('is ended by Ctrl-C with 130 and its report, running or asleep', async () => {
    const hello = [li('a0', 1), addi('a1', 'sp', 0), li('a2', 1), ...call(64)]
    const spin = program('spin', tinyElf([...hello, jump(0)]))
    const read = program('read', tinyElf([...hello, li('a0', 0), ...call(63), ...exit(0)]))
    const runs = [spin, read].map((name) => start(['run', '--report', name]))
    for (const { child, speaks } of runs) {
      await speaks
      child.kill('SIGINT')
    }
    for (const { ended } of runs) {
      const { status, stderr } = await ended
      expect(status).toBe(130)
      expect(stderr).toContain('ended     SIGINT, exit code 130')
    }
  })
  it('shows a mounted directory, and writes to it only when told', async () => {
    const share = mkdtempSync(join(folder, 'share-'))
    const args = [committed('sharedfile.elf'), '16', '/work']
    const refused = await pagewright(['run', '--mount', `${share}:/work`, ...args])
    expect(refused.status).not.toBe(0)
    const done = await pagewright(['run', '--mount', `${share}:/work:rw`, ...args])
    expect(done).toEqual({
      status: 0,
      stdout: readFileSync(join(root, 'programs/expected/sharedfile.txt'), 'utf8'),
      stderr: '',
    })
  })
})

describe('bad input', () => {
  const good = readFileSync(committed('hello.elf'))
  const changed = (at: number, byte: number): Uint8Array => {
    const bytes = new Uint8Array(good)
    bytes[at] = byte
    return bytes
  }
  it('is one line that names file and reason, and exit code 2', async () => {
    const cases: [string[], RegExp][] = [
      [['run', 'no-such-file'], /no-such-file: no such file or directory/],
      [['run', folder], /is a directory/],
      [['run', program('text', new TextEncoder().encode('hello'))], /text: (not ELF|truncated)/],
      [['run', program('empty', new Uint8Array(0))], /empty: (not ELF|truncated)/],
      [['run', program('x86', changed(18, 62))], /x86: wrong machine at offset 0x12: .*x86-64/],
      [['run', program('short', good.subarray(0, 100))], /short: .* at offset 0x/],
      [['run', program('entry', changed(26, 0x7f))], /entry: bad entry at offset 0x18/],
      [['run', program('big', tinyElf(exit(0), '', 2 ** 40))], /big: too large/],
      [
        ['run', program('words', changed(31, 0xff))],
        /words: bad entry at offset 0x18: the entry 0xff[0-9a-f]{14} lies in/,
      ],
      [
        ['run', program('script', new TextEncoder().encode('#!/bin/sh\n'))],
        /script: .*its interpreter \/bin\/sh is not there/,
      ],
      [['run', '--cwd', '/none', committed('hello.elf')], /cannot be started: no such working directory \/none/],
      [['run', '--memory', '1M', 'x'], /--memory: must be a size from 4M/],
      [['run', '--no-such-option', 'x'], /no option "--no-such-option"/],
      [['run', '--mount', 'no-dir:/x', committed('hello.elf')], /--mount: no-dir: no such file or directory/],
      [['run', '--report-file', 'no-dir/r', committed('hello.elf')], /--report-file: no-dir\/r: no such file/],
      [['run', '--show', '/proc/self/nope', committed('hello.elf')], /--show: \/proc\/self\/nope: no such file/],
      [['run', '--show', '/etc/passwd', committed('hello.elf')], /--show: must name a file of \/proc or \/sys/],
      [['run', '--show-file', 'x', committed('hello.elf')], /--show-file: needs --show/],
      [
        ['run', '--show', '/proc/stat', '--show-file', 'no-dir/r', committed('hello.elf')],
        /--show-file: no-dir\/r: no such/,
      ],
      [['frobnicate'], /no command "frobnicate"/],
      [['--frobnicate'], /no option "--frobnicate"/],
    ]
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = await pagewright(args)
      expect(stderr).toMatch(oneLine)
      expect(stderr).toMatch(message)
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    }
  })
})

describe('help', () => {
  it('is printed for every command', async () => {
    for (const args of [['--help'], ['help'], ['help', 'run'], ['run', '--help'], ['demo', '-h']]) {
      const { status, stdout, stderr } = await pagewright(args)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^Usage: pagewright/)
    }
    expect((await pagewright(['--version'])).stdout).toMatch(/^pagewright \d+\.\d+\.\d+\n$/)
  })
})
