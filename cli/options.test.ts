import { describe, expect, it } from 'vitest'
import { OPTION_NAMES, parseDemo, parseMount, parseRun, UsageError } from './options.ts'
import { DEMO_USAGE, RUN_USAGE, USAGE, USAGES } from './usage.ts'

const reject = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  throw new Error('nothing was wrong')
}

describe('parseRun', () => {
  it('reads every option of the machine and of the run', () => {
    const options = parseRun(
      '--memory 64M --cpus 4 --nodes 2 --tlb 64x4 --pages sv39 --large-pages madvise --seed 7 --turn 500 --mount /a:/b:rw --mount /c --env A=1 --env B= --cwd /b --report=json --report-file r.json --show /proc/self/maps --show /proc/meminfo --show-file s prog -x --seed 9'.split(
        ' ',
      ),
    )
    expect(options).toEqual({
      config: {
        memory: '64M',
        cpus: 4,
        nodes: 2,
        tlb: '64x4',
        pages: 'sv39',
        largePages: 'advised',
        seed: 7,
        turn: 500,
      },
      mounts: [
        { hostDir: '/a', guestDir: '/b', isWritable: true },
        { hostDir: '/c', guestDir: '/mnt', isWritable: false },
      ],
      env: ['A=1', 'B='],
      cwd: '/b',
      report: 'json',
      reportFile: 'r.json',
      show: ['/proc/self/maps', '/proc/meminfo'],
      showFile: 's',
      program: 'prog',
      args: ['-x', '--seed', '9'],
    })
  })
  it('leaves everything after PROGRAM to the program', () => {
    expect(parseRun(['--report', 'prog', '--report', '--help', '--', '-h'])).toMatchObject({
      report: 'text',
      program: 'prog',
      args: ['--report', '--help', '--', '-h'],
    })
    expect(parseRun(['--', '--odd-name', 'x'])).toMatchObject({ program: '--odd-name', args: ['x'] })
  })
  it('asks for no report unless told, and for text if only a file is named', () => {
    expect(parseRun(['p'])).toMatchObject({ report: null, reportFile: null })
    expect(parseRun(['--report-file', 'f', 'p'])).toMatchObject({ report: 'text', reportFile: 'f' })
  })
  it('knows --help anywhere before the program', () => {
    expect(parseRun(['--cpus', '2', '--help'])).toBe('help')
    expect(parseRun(['-h', 'p'])).toBe('help')
    expect(parseDemo(['--help'])).toBe('help')
  })
  it('answers what is wrong in one line that names the option', () => {
    const wrong: [string[], RegExp][] = [
      [[], /^no PROGRAM given/],
      [['--memory', '2M', 'p'], /^--memory: must be a size from 4M to 16G .* got "2M"$/],
      [['--memory', 'p'], /^--memory: must be a size/],
      [['--cpus', 'two', 'p'], /^--cpus: must be a whole number from 1 to \d+; got "two"$/],
      [['--cpus', '0', 'p'], /^--cpus: .* got 0$/],
      [['--tlb', '64x5', 'p'], /^--tlb: /],
      [['--pages', 'sv57', 'p'], /^--pages: must be sv39 or sv48; got "sv57"$/],
      [['--large-pages', 'advised', 'p'], /^--large-pages: must be never, madvise or always; got "advised"$/],
      [['--large-pages=constructor', 'p'], /^--large-pages: must be/],
      [['--seed=-1', 'p'], /^--seed: .* got "-1"$/],
      [['--report=xml', 'p'], /^--report: must be text or json; got "xml"$/],
      [['--env', 'NOVALUE', 'p'], /^--env: must be NAME=VALUE; got "NOVALUE"$/],
      [['--cwd', 'x', 'p'], /^--cwd: must be an absolute path/],
      [['--mount', 'a:b', 'p'], /^--mount: must be HOSTDIR.*GUESTDIR an absolute path; got "a:b"$/],
      [['--no-such', 'p'], /^no option "--no-such"; see `pagewright help run`$/],
      [['-x', 'p'], /^no option "-x"; see/],
      [['--memory'], /^--memory: needs a value; see/],
      [['--seed', '-1', 'p'], /^--seed: needs a value; one that begins with "-" is written --seed=VALUE; see/],
      [['--help=x', 'p'], /^--help: takes no value; see/],
    ]
    for (const [argv, message] of wrong) {
      const line = reject(() => parseRun(argv))
      expect(line).toMatch(message)
      expect(line).not.toContain('\n')
    }
    expect(reject(() => parseDemo(['extra']))).toMatch(/^unexpected argument "extra"/)
  })
})

describe('parseMount', () => {
  it('reads HOSTDIR[:GUESTDIR][:rw]', () => {
    expect(parseMount('.')).toEqual({ hostDir: '.', guestDir: '/mnt', isWritable: false })
    expect(parseMount('d:rw')).toEqual({ hostDir: 'd', guestDir: '/mnt', isWritable: true })
    expect(parseMount('d:/x//y/:ro')).toEqual({ hostDir: 'd', guestDir: '/x/y', isWritable: false })
    expect(parseMount('d:/')).toEqual({ hostDir: 'd', guestDir: '/', isWritable: false })
    expect(parseMount('C:\\data:/x:rw', true)).toEqual({ hostDir: 'C:\\data', guestDir: '/x', isWritable: true })
  })
  it('refuses places that the system itself needs, and paths that climb', () => {
    for (const text of ['d:/proc', 'd:/sys', 'd:/dev/', 'd:/bin', 'd:/a/../b', ':/x', 'a:/b:/c'])
      expect(reject(() => parseMount(text))).toContain('--mount')
  })
})

describe('help', () => {
  it('fits 100 columns and has examples', () => {
    for (const text of [USAGE, RUN_USAGE, DEMO_USAGE]) {
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
      expect(text).toContain('Examples:')
    }
  })
  it('names every option that is read, of every command', () => {
    for (const [command, names] of Object.entries(OPTION_NAMES)) {
      expect(USAGE).toContain(`  ${command}`)
      for (const name of names) expect(USAGES[command]).toContain(`--${name}`)
    }
  })
  it('gives examples that parse', () => {
    for (const line of RUN_USAGE.split('Examples:')[1]!.split('\n')) {
      const at = line.indexOf('pagewright run ')
      if (at >= 0) expect(parseRun(line.slice(at + 'pagewright run '.length).split(' '))).not.toBe('help')
    }
  })
})
