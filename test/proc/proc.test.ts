// /proc as programs see it: read through the file room, of a process that has run for a while.

import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { isErr } from '../../src/base/index.ts'
import { O_RDONLY, openAt, readBytes, ROOT, type WalkContext } from '../../src/kernel/file/index.ts'
import { createSystem, type GuestProcess, nameFromBytes, type System } from '../../src/index.ts'

let system: System
let guest: GuestProcess

/** Bytes of a file, or the errno. */
function read(path: string, position = 0, length = 1 << 20): Uint8Array | number {
  const { kernel } = system.rooms
  const { root } = kernel.files
  const context: WalkContext = { root, cwd: root, who: ROOT }
  return system.runKernel(
    (function* () {
      const file = yield* openAt(kernel.files, context, path, O_RDONLY, 0)
      if (isErr(file)) return file
      const bytes = yield* readBytes(file, position, length)
      file.release()
      return bytes
    })(),
  )
}
function text(path: string): string {
  const bytes = read(path)
  if (typeof bytes === 'number') throw new Error(`${path}: ${bytes}`)
  return nameFromBytes(bytes)
}
const field = (path: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text(path))![1])

beforeAll(() => {
  system = createSystem({ memory: '64M', cpus: 2 })
  const elf = readFileSync(new URL('../../programs/bin/sort.elf', import.meta.url))
  guest = system.spawn(elf, { name: 'sort', args: ['50', 'two words'], env: ['HOME=/root'] })
  system.step(400_000)
})

describe('/proc/PID', () => {
  it('has maps in the kernel’s format: names at column 73, a blank where there is none', () => {
    const lines = text('/proc/1/maps').split('\n').slice(0, -1)
    expect(lines.length).toBeGreaterThan(4)
    const shape = /^[0-9a-f]{8,}-[0-9a-f]{8,} [r-][w-][x-][ps] [0-9a-f]{8,} [0-9a-f]{2}:[0-9a-f]{2} \d+ (?: *(\S.*))?$/
    for (const line of lines) {
      const match = shape.exec(line)
      expect(match, line).not.toBeNull()
      if (match![1] !== undefined) expect(line.indexOf(match![1])).toBe(73)
    }
    expect(lines[0]).toMatch(/^00010000-\S+ r-xp 00000000 .* \/bin\/sort$/)
    expect(lines.at(-1)).toMatch(/ \[stack\]$/)
    expect(text('/proc/1/maps')).toBe(guest.maps)
  })
  it('has statm, status, smaps and smaps_rollup that agree with each other and with the page tables', () => {
    const [size, resident, shared, code, lib, data, dirty] = text('/proc/1/statm').trim().split(' ').map(Number)
    expect([lib, dirty]).toEqual([0, 0])
    expect(resident).toBe(guest.counters.residentPages)
    const status = '/proc/1/status'
    expect(field(status, 'VmSize')).toBe(size! * 4)
    expect(field(status, 'VmRSS')).toBe(resident! * 4)
    expect(field(status, 'VmExe')).toBe(code! * 4)
    expect(field(status, 'VmData') + field(status, 'VmStk')).toBe(data! * 4)
    expect(field(status, 'RssFile') + field(status, 'RssShmem')).toBe(shared! * 4)
    expect(field(status, 'VmHWM')).toBeGreaterThanOrEqual(resident! * 4)
    expect(text(status)).toMatch(/^VmPTE:\t {6,}\d+ kB$/m)
    const all = [...text('/proc/1/smaps').matchAll(/^Rss: +(\d+) kB$/gm)].reduce((sum, [, kb]) => sum + Number(kb), 0)
    expect(all).toBe(resident! * 4)
    expect(field('/proc/1/smaps_rollup', 'Rss')).toBe(all)
    expect(text('/proc/1/smaps')).toMatch(/^Size: +28 kB\nKernelPageSize: {8}4 kB$/m)
    expect(text('/proc/1/smaps')).toMatch(/^VmFlags: rd ex mr mw me $/m)
    expect(text('/proc/1/smaps_rollup')).toMatch(/^00010000-\S+ ---p 00000000 00:00 0 +\[rollup\]$/m)
  })
  it('has cmdline and environ as they lie in its memory, and its auxv', () => {
    expect(text('/proc/1/cmdline')).toBe('/bin/sort\0' + '50\0two words\0')
    expect(text('/proc/1/environ')).toBe('HOME=/root\0')
    const auxv = read('/proc/1/auxv') as Uint8Array
    const words = new BigUint64Array(auxv.slice().buffer)
    expect(words.indexOf(6n) % 2).toBe(0)
    expect(words[words.indexOf(6n) + 1]).toBe(4096n)
    expect(words.at(-2)).toBe(0n)
  })
  it('has stat with 52 fields, comm, limits and the links', () => {
    const stat = text('/proc/1/stat').trim().split(' ')
    expect(stat.length).toBe(52)
    expect(stat.slice(0, 4)).toEqual(['1', '(sort)', 'R', '0'])
    expect(Number(stat[22])).toBe(field('/proc/1/status', 'VmSize') * 1024)
    expect(text('/proc/1/comm')).toBe('sort\n')
    expect(text('/proc/1/limits')).toMatch(/^Max stack size {12}8388608 {14}unlimited {12}bytes {5}$/m)
    // The link is followed: the bytes of the program.
    expect((read('/proc/1/exe', 0, 4) as Uint8Array)[1]).toBe(0x45)
    expect(text('/proc/1/fdinfo/1')).toContain('pos:\t0\n')
    expect(read('/proc/1/fdinfo/9')).toBe(-2)
  })
  it('has pagemap with a word for each page', () => {
    const start = Number.parseInt(guest.maps.split('-')[0]!, 16)
    const words = new BigUint64Array((read('/proc/1/pagemap', (start / 4096) * 8, 16) as Uint8Array).slice().buffer)
    expect(words[0]! >> 63n).toBe(1n)
    expect((words[0]! >> 61n) & 1n).toBe(1n)
    expect(new BigUint64Array((read('/proc/1/pagemap', 0, 8) as Uint8Array).slice().buffer)[0]).toBe(0n)
    expect(read('/proc/1/pagemap', 4, 8)).toBe(-22)
    expect((read('/proc/1/pagemap', 2 ** 47 / 512, 8) as Uint8Array).length).toBe(0)
  })
  it('has mem: the bytes of the process, EIO where nothing is mapped', () => {
    const start = Number.parseInt(guest.maps.split('-')[0]!, 16)
    expect([...(read('/proc/1/mem', start, 4) as Uint8Array)]).toEqual([0x7f, 0x45, 0x4c, 0x46])
    expect(read('/proc/1/mem', 4096, 4)).toBe(-5)
  })
  it('is not there for a number that is nobody’s', () => {
    expect(read('/proc/99/maps')).toBe(-2)
    expect(read('/proc/01/maps')).toBe(-2)
  })
})

describe('/proc', () => {
  it('has meminfo whose lines end in column 24 and agree with the frames', () => {
    const lines = text('/proc/meminfo').split('\n').slice(0, -1)
    for (const line of lines.filter((one) => one.endsWith(' kB'))) expect(line.length, line).toBeGreaterThanOrEqual(27)
    const { frames } = system.report()
    const perCpu = [...text('/proc/zoneinfo').matchAll(/^ +count: +(\d+)$/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    )
    expect(field('/proc/meminfo', 'MemFree') + perCpu * 4).toBe(frames.free * 4)
    expect(field('/proc/meminfo', 'AnonPages')).toBe(frames.anonymous * 4)
    expect(field('/proc/meminfo', 'PageTables')).toBe(frames.pageTables * 4)
    expect(lines[0]).toMatch(/^MemTotal: {10}\d{5} kB$/)
  })
  it('has vmstat with the names of 6.18 in order', () => {
    const names = text('/proc/vmstat')
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' ')[0])
    expect(names.length).toBe(192)
    expect([names[0], names.at(-1)]).toEqual(['nr_free_pages', 'nr_unstable'])
    expect(text('/proc/vmstat')).toMatch(/^pgfault [1-9]\d*$/m)
  })
  it('has buddyinfo, zoneinfo, cpuinfo, version, stat, mounts and settings', () => {
    expect(text('/proc/buddyinfo')).toMatch(/^Node 0, zone +\w+ ( *\d+ ){11}$/m)
    // Line by line as a 6.18 kernel writes them: names, blanks and order; only the numbers are ours.
    const zoneinfo = text('/proc/zoneinfo').split(/^(?=Node)/m)
    const shapes = zoneinfo.map((zone) => zone.replace(/\d+/g, '0'))
    const [empty, full] = [
      shapes.find((zone) => !zone.includes('pagesets'))!,
      shapes.find((zone) => zone.includes('pagesets'))!,
    ]
    expect(empty).toBe(
      'Node 0, zone      DMA\n  pages free     0\n        boost    0\n        min      0\n        low      0\n' +
        '        high     0\n        promo    0\n        spanned  0\n        present  0\n        managed  0\n' +
        '        cma      0\n        protection: (0, 0, 0, 0)\n',
    )
    expect(full).toMatch(/^Node 0, zone {4}DMA0\n {2}per-node stats\n {6}nr_inactive_anon 0\n/)
    expect(full).toContain('      nr_mapped    0\n      nr_file_pages 0\n      nr_dirty     0\n')
    expect(full).toContain('      nr_kernel_file_pages 0\n  pages free     0\n        boost    0\n')
    expect(full).toContain(
      '(0, 0, 0, 0)\n      nr_free_pages 0\n      nr_free_pages_blocks 0\n      nr_zone_inactive_anon 0\n',
    )
    const cpu = (id: number): string =>
      `    cpu: ${id}\n              count:    0\n              high:     0\n              batch:    0\n` +
      '              high_min: 0\n              high_max: 0\n  vm stats threshold: 0\n'
    expect(full).toContain(
      `      numa_other   0\n  pagesets\n${cpu(0)}${cpu(0)}  node_unreclaimable:  0\n  start_pfn:           0\n`,
    )
    const { free } = system.report().frames
    const sum = (pattern: RegExp): number =>
      [...text('/proc/zoneinfo').matchAll(pattern)].reduce((total, [, n]) => total + Number(n), 0)
    expect(sum(/^ {2}pages free +(\d+)$/gm) + sum(/^ +count: +(\d+)$/gm)).toBe(free)

    const types = text('/proc/pagetypeinfo').split('\n')
    expect(types.slice(0, 3)).toEqual(['Page block order: 9', 'Pages per block:  512', ''])
    expect(types[3]).toBe(
      'Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10 ',
    )
    expect(types[4]).toMatch(/^Node {4}0, zone {4}DMA32, type {4}Unmovable( +\d+){11} $/)
    expect(types.slice(5, 10).map((line) => line.slice(31, 43).trim())).toEqual([
      'Movable',
      'Reclaimable',
      'HighAtomic',
      'CMA',
      'Isolate',
    ])
    expect(types[11]).toBe(
      'Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic          CMA      Isolate ',
    )
    expect(types[12]).toMatch(/^Node 0, zone {4}DMA32( +\d+){6} $/)
    expect(text('/proc/cpuinfo').match(/^processor\t: \d$/gm)).toHaveLength(2)
    expect(text('/proc/version')).toMatch(/^Linux version 6\.18/)
    expect(text('/proc/stat')).toMatch(/^cpu1 \d+/m)
    expect(text('/proc/mounts')).toMatch(/^proc \/proc proc /m)
    expect(text('/proc/sys/vm/overcommit_memory')).toBe('0\n')
    expect(text('/proc/sys/vm/max_map_count')).toBe('65530\n')
    expect(text('/proc/sys/kernel/osrelease')).toMatch(/^6\.18/)
    expect(text('/proc/sys/kernel/random/uuid')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/,
    )
  })
  it('leaves everything as it was when all has been read', () => {
    system.verify()
    expect(system.report().frames.leaked).toBe(0)
    guest.kill(9)
    expect(system.run(guest)).toBe(137)
    expect(system.report().frames).toMatchObject({ leaked: 0, anonymous: 0 })
  })
})
