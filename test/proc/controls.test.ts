// Files of /proc and /sys that are written to, words of frames and pages, and what runtimes look for.

import { describe, expect, it } from 'vitest'
import { nameFromBytes } from '../../src/index.ts'
import { A, PAGE, PRIVATE, PROT_NONE, PROT_R, PROT_RW, SHARED, FIXED } from '../process/caller.ts'
import { Reader } from './reader.ts'

const DATA = 0x1000_8000

class Words extends Reader {
  words(path: string, index: number, count: number): bigint[] {
    const fd = this.call('openat', -100, path, 0, 0)
    expect(this.call('pread64', fd, this.buffer, count * 8, index * 8)).toBe(count * 8)
    this.call('close', fd)
    return [...new BigUint64Array(this.peek(this.buffer, count * 8).slice().buffer)]
  }
}
const bit = (word: bigint, i: number): number => Number((word >> BigInt(i)) & 1n)
const pfnOf = (word: bigint): number => Number(word & ((1n << 55n) - 1n))

describe('/proc and /sys', () => {
  it('[syscall X21] pagemap', () => {
    const c = new Words()
    c.mmap(A, 4, PROT_RW)
    const file = c.call('memfd_create', 'f', 0)
    c.call('ftruncate', file, PAGE)
    c.call('mmap', A + 4 * PAGE, PAGE, PROT_RW, SHARED | FIXED, file, 0)
    c.touch(A, true)
    c.touch(A + PAGE)
    c.call('mmap', A + 3 * PAGE, PAGE, PROT_NONE, PRIVATE | 0x20 | FIXED, -1, 0)
    c.touch(A + 4 * PAGE, true)
    const words = c.words('/proc/self/pagemap', A / PAGE, 5)
    expect(words.map((word) => [63, 62, 61, 57, 56, 58].map((i) => bit(word, i)))).toEqual([
      [1, 0, 0, 0, 1, 0],
      [1, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0],
      [1, 0, 1, 0, 1, 0],
    ])
    expect(words.map((word) => pfnOf(word) > 0)).toEqual([true, true, false, false, true])
    expect(c.ask('madvise', A + 2 * PAGE, PAGE, 102)).toBe('ok')
    expect(c.words('/proc/self/pagemap', A / PAGE + 2, 1)[0]).toBe(0x440000000000009fn)
    const fd = c.call('openat', -100, '/proc/self/pagemap', 0, 0)
    expect(c.ask('pread64', fd, DATA, 8, 4)).toBe('-EINVAL')
    expect(c.ask('pread64', fd, DATA, 7, 8)).toBe('-EINVAL')
    expect(c.call('pread64', fd, DATA, 8, (2 ** 47 / PAGE) * 8)).toBe(0)

    const [flags, zero] = [words[0]!, words[1]!].map((word) => c.words('/proc/kpageflags', pfnOf(word), 1)[0]!)
    expect([3, 11, 12, 24].map((i) => bit(flags!, i))).toEqual([1, 1, 1, 0])
    expect([24, 32].map((i) => bit(zero!, i))).toEqual([1, 1])
    expect(c.words('/proc/kpageflags', 1, 1)).toEqual([1n << 20n])
    expect(c.words('/proc/kpagecount', pfnOf(words[0]!), 1)).toEqual([1n])
    c.call('clone', 17, 0, 0, 0, 0)
    expect(c.words('/proc/kpagecount', pfnOf(words[0]!), 1)).toEqual([2n])
  })

  it('kpageflags agree with the free lists and with the owners of frames', () => {
    const c = new Words({ memory: '16M' })
    const { phys } = c.system.rooms.kernel
    const first = phys.populatedZones[0]!.startPfn
    let free = 0
    for (let at = 0; at < 4096; at += 512) {
      for (const word of c.words('/proc/kpageflags', first + at, 512)) free += bit(word, 10)
    }
    const pages = c
      .text('/proc/buddyinfo')
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => line.slice(24).trim().split(/\s+/).map(Number))
    expect(free).toBe(pages.reduce((sum, n, order) => sum + n * 2 ** (order % 11), 0))
  })

  it('clear_refs, oom_score_adj and map_files', () => {
    const c = new Words()
    const file = c.call('openat', -100, '/tmp/f', 0o102, 0o600)
    c.call('write', file, 'text', 4)
    c.call('mmap', A, PAGE, PROT_R, PRIVATE | FIXED, file, 0)
    c.mmap(A + PAGE, 2, PROT_RW)
    c.poke(A + PAGE, Uint8Array.of(1))
    const referenced = () =>
      Number(/Referenced: +(\d+)/.exec(c.text('/proc/self/smaps').split(/^200000001000-/m)[1]!)![1])
    c.touch(A + PAGE, true)
    expect(c.text('/proc/self/clear_refs')).toBe('error -22')
    for (const bad of ['0', '6', 'x', '']) expect(c.write('/proc/self/clear_refs', `${bad}\n`)).toBe('-EINVAL')
    expect(referenced()).toBeGreaterThan(0)
    expect(c.write('/proc/self/clear_refs', '3\n')).toBe('ok')
    expect(referenced()).toBeGreaterThan(0)
    expect(c.write('/proc/self/clear_refs', '1\n')).toBe('ok')
    expect(referenced()).toBe(0)
    expect(c.write('/proc/self/clear_refs', '5')).toBe('ok')

    expect(c.text('/proc/self/oom_score_adj')).toBe('0\n')
    expect(c.write('/proc/self/oom_score_adj', '1001')).toBe('-EINVAL')
    expect(c.write('/proc/self/oom_score_adj', ' 500\n')).toBe('ok')
    expect(c.text('/proc/self/oom_score_adj')).toBe('500\n')
    expect(Number(c.text('/proc/self/oom_score'))).toBeGreaterThanOrEqual(990)
    expect(c.text('/proc/self/oom_adj')).toBe('8\n')
    expect(c.write('/proc/self/oom_score_adj', '499')).toBe('ok')
    expect(c.write('/proc/self/oom_score_adj', '-1')).toBe('-EACCES')

    expect(c.call('readlinkat', -100, '/proc/self/map_files/200000000000-200000001000', DATA, 100)).toBe(6)
    expect(nameFromBytes(c.peek(DATA, 6))).toBe('/tmp/f')
    expect(c.text('/proc/self/map_files/200000000000-200000001000')).toBe('text')
    expect(c.text('/proc/self/map_files/200000001000-200000003000')).toBe('error -2')
  })

  it('numbers that are written are read as Linux reads them', () => {
    const c = new Words()
    const after = (path: string, text: string): string => {
      const answer = c.write(path, text)
      return answer === 'ok' ? c.text(path).trim() : answer
    }
    // What 6.18 answered to the same words.
    const score = '/proc/self/oom_score_adj'
    expect(['500', ' 7 \n', '0x10', '010', '+5', '0'].map((text) => after(score, text))).toEqual([
      '500',
      '7',
      '16',
      '8',
      '5',
      '0',
    ])
    const wrong = { EINVAL: ['abc', '', '7x', '5 6', '1001', '-1001'], EACCES: ['-1', '-1000', '-22', '-34'] }
    for (const [error, texts] of Object.entries(wrong))
      for (const text of texts) expect([text, after(score, text)]).toEqual([text, `-${error}`])
    for (const text of ['99999999999', '1'.repeat(100)]) expect(after(score, text)).toBe('-ERANGE')
    expect(['5', '16', '-17', '15', '-18', 'x'].map((text) => after('/proc/self/oom_adj', text))).toEqual([
      '4',
      '-EINVAL',
      '-EACCES',
      '15',
      '-EINVAL',
      '-EINVAL',
    ])
    expect(c.text(score)).toBe('1000\n')
    const clear = (text: string) => c.write('/proc/self/clear_refs', text)
    expect([' 1', '1\n\n', '+1', '01', '5'].map(clear)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
    expect(['0x1', '1x', '1 2', '-1', '7'].map(clear)).toEqual(Array.from({ length: 5 }, () => '-EINVAL'))
    expect(clear('11111111111111111111')).toBe('-ERANGE')
    const maps = '/proc/sys/vm/max_map_count'
    expect(['70000', '2147483647', '0x100', '010', '70000 5', '  70000', ''].map((text) => after(maps, text))).toEqual([
      '70000',
      '2147483647',
      '256',
      '8',
      '70000',
      '70000',
      '70000',
    ])
    for (const text of ['x', '-1', '99999999999', '2147483648', '70000x', '+70000', ' ', '\n', '1'.repeat(5000)])
      expect([text.slice(0, 20), after(maps, text)]).toEqual([text.slice(0, 20), '-EINVAL'])
    for (const [name, texts] of Object.entries({
      drop_caches: ['0', '-1', 'x'],
      compact_memory: ['0', '2', 'x'],
      min_free_kbytes: ['-1', 'x'],
      swappiness: ['201', '-1', 'x'],
      panic_on_oom: ['3', '-1'],
      dirty_ratio: ['101', '-1'],
      overcommit_memory: ['3', '-1', '1x'],
      overcommit_kbytes: ['-1', '99999999999999999999'],
    }))
      for (const text of texts)
        expect([name, text, after(`/proc/sys/vm/${name}`, text)]).toEqual([name, text, '-EINVAL'])
  })
  it('mmap_min_addr keeps low addresses from those without CAP_SYS_RAWIO', () => {
    const c = new Words()
    const low = () => c.ask('mmap', 8 * PAGE, PAGE, PROT_RW, PRIVATE | 0x20 | FIXED, -1, 0)
    expect(c.text('/proc/sys/vm/mmap_min_addr')).toBe('4096\n')
    expect(c.write('/proc/sys/vm/mmap_min_addr', '65536')).toBe('ok')
    expect(low()).toBe('ok')
    c.mmap(A, 1, PROT_RW)
    expect(c.ask('setuid', 1000)).toBe('ok')
    expect(low()).toBe('-EPERM')
    expect(c.ask('mremap', A, PAGE, PAGE, 3, 8 * PAGE)).toBe('-EPERM')
    expect(c.write('/proc/sys/vm/mmap_min_addr', '4096')).toBe('open -13')
  })
  it('drop_caches gives clean pages of files back, and vmstat counts it', () => {
    const c = new Words()
    const disk = c.call('openat', -100, '/bin/program', 0, 0)
    const figure = (path: string, name: string) => Number(new RegExp(`^${name}:? +(\\d+)`, 'm').exec(c.text(path))![1])
    c.call('pread64', disk, DATA, 100, 0)
    const cached = figure('/proc/meminfo', 'Cached')
    expect(c.text('/proc/sys/vm/drop_caches')).toBe('error -13')
    expect(c.write('/proc/sys/vm/drop_caches', '3')).toBe('ok')
    expect(figure('/proc/meminfo', 'Cached')).toBeLessThanOrEqual(cached)
    expect([figure('/proc/vmstat', 'drop_pagecache'), figure('/proc/vmstat', 'drop_slab')]).toEqual([1, 1])
    c.system.verify()
  })
  it('settings of /proc/sys/vm are checked, kept, and followed', () => {
    const c = new Words()
    const vm = (name: string) => `/proc/sys/vm/${name}`
    expect(c.text(vm('max_map_count'))).toBe('65530\n')
    expect(c.write(vm('max_map_count'), 'many')).toBe('-EINVAL')
    const now = c.process.space!.map.entryCount
    expect(c.write(vm('max_map_count'), `${now}\n`)).toBe('ok')
    const map = () => c.ask('mmap', 0, PAGE, PROT_RW, SHARED | 0x20, -1, 0)
    expect(map()).toBe('ok')
    expect(map()).toBe('-ENOMEM')
    expect(c.write(vm('max_map_count'), '65530')).toBe('ok')
    expect(c.text(vm('max_map_count'))).toBe('65530\n')

    const ram = c.system.rooms.machine.memory.ramBytes
    const ask = (bytes: number, flags = PRIVATE) => c.ask('mmap', 0, bytes, PROT_RW, flags | 0x20, -1, 0)
    expect(ask(ram + 2 ** 30)).toBe('-ENOMEM')
    expect(c.write(vm('overcommit_memory'), '3')).toBe('-EINVAL')
    expect(c.write(vm('overcommit_memory'), '1')).toBe('ok')
    expect(ask(ram + 2 ** 30)).toBe('ok')
    expect(c.write(vm('overcommit_memory'), '2')).toBe('ok')
    expect(ask(PAGE)).toBe('-ENOMEM')
    c.write(vm('overcommit_memory'), '0')
  })
  it('vm.dirty_* say how much may be dirty, and vmstat shows it in pages', () => {
    const c = new Words()
    const vm = (name: string) => c.text(`/proc/sys/vm/${name}`).trim()
    const set = (name: string, value: number) => c.write(`/proc/sys/vm/${name}`, `${value}\n`)
    const names = ['nr_dirty_threshold', 'nr_dirty_background_threshold']
    const shown = () => names.map((name) => c.figure('/proc/vmstat', name))
    const [dirty, background] = shown()
    const available = c.figure('/proc/meminfo', 'MemAvailable') / 4
    // A fifth and a tenth of what could be dirty.
    expect(dirty).toBeGreaterThan(available / 5.5)
    expect(dirty).toBeLessThan(available / 4.5)
    expect(Math.abs(dirty! - 2 * background!)).toBeLessThanOrEqual(1)
    expect(set('dirty_ratio', 40)).toBe('ok')
    expect(shown()[0]).toBeGreaterThan(1.9 * dirty!)
    expect([set('dirty_bytes', 20 * PAGE), set('dirty_background_bytes', 6 * PAGE - 1)]).toEqual(['ok', 'ok'])
    expect(shown()).toEqual([20, 6])
    expect(['dirty_ratio', 'dirty_background_ratio', 'dirty_bytes'].map(vm)).toEqual(['0', '0', String(20 * PAGE)])
    expect([set('dirty_bytes', 2 * PAGE - 1), set('dirty_background_bytes', 0)]).toEqual(['-EINVAL', '-EINVAL'])
    expect(set('dirty_background_bytes', 30 * PAGE)).toBe('ok')
    expect(shown()).toEqual([20, 10])
    expect([set('dirty_ratio', 20), set('dirty_background_ratio', 10)]).toEqual(['ok', 'ok'])
    expect([vm('dirty_bytes'), vm('dirty_background_bytes'), ...shown().map((n) => n > 100)]).toEqual([
      '0',
      '0',
      true,
      true,
    ])
  })
  it('in mode 2 the sum of what is promised stays below the limit', () => {
    const c = new Words()
    c.write('/proc/sys/vm/overcommit_ratio', '25')
    c.write('/proc/sys/vm/overcommit_memory', '2')
    const limit = Number(/CommitLimit: +(\d+)/.exec(c.text('/proc/meminfo'))![1]) / 4
    expect(limit).toBe(Math.floor(c.system.rooms.kernel.phys.totalramPages / 4))
    const used = () => Number(/Committed_AS: +(\d+)/.exec(c.text('/proc/meminfo'))![1]) / 4
    const NORESERVE = 0x4000
    let mapped = 0
    for (; c.ask('mmap', 0, 64 * PAGE, PROT_RW, PRIVATE | 0x20 | NORESERVE, -1, 0) === 'ok'; mapped++) {
      expect(mapped).toBeLessThan(100)
    }
    expect(used()).toBeLessThan(limit)
    expect(used() + 64 + Math.ceil(c.process.space!.map.size / 32 / PAGE)).toBeGreaterThanOrEqual(limit)
    expect(c.ask('mmap', 0, 2 ** 30, PROT_NONE, PRIVATE | 0x20, -1, 0)).toBe('ok')
    c.write('/proc/sys/vm/overcommit_kbytes', '262144')
    expect(c.text('/proc/sys/vm/overcommit_ratio')).toBe('0\n')
    expect(c.ask('mmap', 0, 64 * PAGE, PROT_RW, PRIVATE | 0x20, -1, 0)).toBe('ok')
  })
  it('/sys has what runtimes look for', () => {
    const c = new Words({ cpus: 2, nodes: 2, memory: '64M' })
    const huge = '/sys/kernel/mm/transparent_hugepage'
    expect(c.text(`${huge}/hpage_pmd_size`)).toBe('2097152\n')
    expect(c.text(`${huge}/enabled`)).toMatch(/^always (\[madvise\] never|madvise \[never\])\n$/)
    expect(c.write(`${huge}/enabled`, 'sometimes')).toBe('-EINVAL')
    expect(c.write(`${huge}/enabled`, 'always\n')).toBe('ok')
    expect(c.text(`${huge}/enabled`)).toBe('[always] madvise never\n')
    expect(c.text('/sys/devices/system/cpu/online')).toBe('0-1\n')
    expect(c.text('/sys/devices/system/node/online')).toBe('0-1\n')
    expect(c.text('/sys/devices/system/node/node1/meminfo')).toMatch(/^Node 1 MemTotal: +\d+ kB\n/)
    expect(c.text('/proc/swaps')).toBe('Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n')
    expect(c.text('/proc/vmallocinfo')).not.toContain('error')
  })
})
