import { describe, expect, it } from 'vitest'
import { GiB, MiB } from '../../base/index.ts'
import { Machine, sv39 } from '../../machine/index.ts'
import { bootPhys, describeMemory, freeAllBootmem } from './boot.ts'
import { freeAreaInitNodes } from './freeAreaInit.ts'
import { __GFP_ZERO, GFP_KERNEL } from './gfp.ts'
import { freeCount, nrFreeBufferPages } from './nrFree.ts'
import { copyPage, pageAddress, pfnOfAddress, zeroPage } from './page.ts'
import { sparseMemoryPresentWithActiveRegions } from './sections.ts'
import { boot, H1G, M, M64C, S16, T2, take, testMachine, U } from './testMachines.ts'
import { buddyinfoText, freeAreasText, meminfo, meminfoText, pagetypeinfoText, vmstat, zoneinfoText } from './texts.ts'
import { verify } from './verify.ts'
import { buildAllZonelists } from './zonelists.ts'

describe('the texts of /proc', () => {
  const t2 = boot(T2)

  it('[physical M1] writes buddyinfo', () => {
    expect(buddyinfoText(t2)).toBe(
      [
        'Node 0, zone      DMA      1      1      1      1      2      1      1      0      1      1      3 ',
        'Node 0, zone    DMA32      0      0      0      0      0      0      0      0      0      0    756 ',
        'Node 0, zone   Normal      0      0      0      0      0      0      0      0      0      0    256 ',
        'Node 1, zone   Normal      0      0      0      0      0      0      0      0      0      0    895 ',
        '',
      ].join('\n'),
    )
  })
  it('[physical M2] writes pagetypeinfo', () => {
    const lines = pagetypeinfoText(t2).split('\n')
    expect(lines.slice(0, 4)).toEqual([
      'Page block order: 9',
      'Pages per block:  512',
      '',
      'Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10 ',
    ])
    for (const line of [
      'Node    0, zone      DMA, type    Unmovable      1      1      1      1      2      1      1      0      1      0      0 ',
      'Node    0, zone      DMA, type      Movable      0      0      0      0      0      0      0      0      0      0      3 ',
      'Node    0, zone      DMA, type      Reserve      0      0      0      0      0      0      0      0      0      1      0 ',
      'Number of blocks type     Unmovable  Reclaimable      Movable      Reserve          CMA      Isolate ',
      'Node 0, zone      DMA            1            0            6            1            0            0 ',
      'Node 0, zone    DMA32            0            0         1526            2            0            0 ',
      'Node 0, zone   Normal            0            0          511            1            0            0 ',
      'Node 1, zone   Normal            0            0         1790            2            0            0 ',
    ])
      expect(lines).toContain(line)
    // Each node has a table of its own.
    expect(lines.filter((line) => line.startsWith('Page block order'))).toHaveLength(2)
  })
  it('[physical M3] feeds meminfo', () => {
    expect(meminfo(t2)).toEqual([
      ['MemTotal', 7827004],
      ['MemFree', 7827004],
      ['MemAvailable', 7813036],
      ['CmaTotal', 0],
      ['CmaFree', 0],
    ])
    expect(meminfoText(boot(M64C))).toBe(
      [
        'MemTotal:          65536 kB',
        'MemFree:           65536 kB',
        'MemAvailable:      64256 kB',
        'CmaTotal:          16384 kB',
        'CmaFree:           16384 kB',
        '',
      ].join('\n'),
    )
    expect(meminfo(boot(H1G)).slice(3, 7)).toEqual([
      ['HighTotal', 131072],
      ['HighFree', 131072],
      ['LowTotal', 917504],
      ['LowFree', 917504],
    ])
  })
  it('[physical M4] writes zoneinfo', () => {
    const zones = zoneinfoText(t2).split(/^(?=Node)/m)
    expect(zones).toHaveLength(4)
    const protections = zones.map((zone) => /protection: (.*)/.exec(zone)![1])
    expect(protections).toEqual(['(0, 3024, 4048, 4048)', '(0, 0, 1024, 1024)', '(0, 0, 0, 0)', '(0, 0, 0, 0)'])
    const lines = zones[3]!.split('\n')
    expect(lines.slice(0, 10)).toEqual([
      'Node 1, zone   Normal',
      '  pages free     916480',
      '        min      1310',
      '        low      1637',
      '        high     1965',
      '        scanned  0',
      '        spanned  1048576',
      '        present  917504',
      '        managed  916480',
      '    nr_free_pages 916480',
    ])
    expect(lines).toContain('    numa_hit     0')
    expect(lines.slice(-9)).toEqual([
      '    cpu: 3',
      '              count: 0',
      '              high:  186',
      '              batch: 31',
      '  vm stats threshold: 36',
      '  all_unreclaimable: 1',
      '  start_pfn:         1310720',
      '  inactive_ratio:    5',
      '',
    ])
  })
  it('counts for vmstat', () => {
    const phys = boot(S16)
    take(phys, U, 3)
    const counts = new Map(vmstat(phys))
    expect([counts.get('nr_free_pages'), counts.get('pgalloc_normal'), counts.get('pgalloc_dma')]).toEqual([4088, 8, 0])
    expect(new Map(vmstat(boot(H1G))).has('pgalloc_high')).toBe(true)
  })
  it('writes the lists of an out-of-memory report', () => {
    const phys = boot(S16)
    take(phys, M)
    take(phys, U, 9)
    expect(freeAreasText(phys, phys.nodes[0]!.zones[2]!)).toBe(
      '1*4kB (M) 1*8kB (M) 1*16kB (M) 1*32kB (M) 1*64kB (M) 1*128kB (M) 1*256kB (M) 1*512kB (M) 1*1024kB (M) ' +
        '2*2048kB (UM) 2*4096kB (MR) = 14332kB',
    )
  })
})

describe('bootPhys', () => {
  it('[physical M6] ends the time of memblock when memory is released', () => {
    const phys = describeMemory(testMachine(4), T2)
    sparseMemoryPresentWithActiveRegions(phys, phys.config.maxNumNodes)
    freeAreaInitNodes(phys, T2.maxZonePfn!)
    buildAllZonelists(phys)
    freeAllBootmem(phys)
    expect(nrFreeBufferPages(phys)).toBe(1956751)
    expect(phys.log.warnings).toEqual([])
    phys.memblock.alloc(64, 64)
    expect(phys.log.warnings).toHaveLength(1)
  })
  it('boots a RISC-V machine, and its pages have bytes', () => {
    const ram = { start: 2 * GiB, end: 2 * GiB + 32 * MiB }
    const machine = new Machine({
      ram: [ram],
      cpus: 2,
      tlb: { entries: 16 },
      format: sv39,
      seed: 1,
    })
    const phys = bootPhys(machine, {
      memory: [ram],
      reserved: [{ start: ram.start, end: ram.start + MiB }],
      directMapBase: machine.layout.directMap.start,
    })
    verify(phys)
    expect(freeCount(phys)).toBe(31 * 256)
    expect(phys.populatedZones.map((zone) => zone.name)).toEqual(['DMA32'])
    const page = take(phys, GFP_KERNEL | __GFP_ZERO)
    const other = take(phys, GFP_KERNEL)
    machine.memory.write32(page * 4096 + 8, 0x12345678)
    copyPage(phys, other, page)
    expect(machine.memory.read32(other * 4096 + 8)).toBe(0x12345678)
    zeroPage(phys, page)
    expect(machine.memory.read32(page * 4096 + 8)).toBe(0)
    expect(pfnOfAddress(phys, pageAddress(phys, page))).toBe(page)
    expect(pageAddress(phys, page)).toBe(machine.layout.directMap.start + page * 4096)
  })
})
