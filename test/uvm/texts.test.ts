// UVM specification 4.1 and 4.2: counters and listings.

import { describe, expect, it } from 'vitest'
import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED, UVM_INH_SHARE } from '../../src/kernel/map/index.ts'
import {
  pmapAllText,
  pmapDebugText,
  pmapMapsText,
  pmapMapText,
  pmapText,
  uvmexp,
  vmstatText,
} from '../../src/kernel/uvmexp/index.ts'
import { PagingWorld } from './pagingWorld.ts'
import { P, SHARED_ANON, UvmWorld } from './world.ts'

describe('uvmexp', () => {
  it('lists counters as vmstat -s does', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.W(0, 'x')
    u.W(1, 'x')
    const child = u.fork()
    u.W(0, 'y', child)
    const all = vmstatText(uvmexp(u.vm, null)).split('\n')
    expect(all).toHaveLength(69)
    expect(all.slice(0, 3)).toEqual([
      '     4096 bytes per page',
      '        1 page color',
      `${String(u.phys.totalramPages).padStart(9)} pages managed`,
    ])
    const events = all
      .slice(21)
      .filter((line) => line !== '' && !line.startsWith('        0') && !line.includes('fork'))
    expect(`${events.join('\n')}\n`).toBe(`        3 total faults taken
        1 anon page faults
        2 amap copy faults
        1 neighbour anon page faults
        1 anon copy on write faults
        2 promote zero fill faults
`)
    expect(all).toContain('        0 faults relock (0 ok)')
  })
  it('says what the daemon, the queues and swap hold, and its identities hold', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 4)
    for (let p = 0; p < 4; p++) u.W(p, 'x')
    u.deactivate(0)
    u.scan()
    u.deactivate(1)
    const exp = uvmexp(u.vm, u.daemon, { syscalls: 7 })
    expect(exp).toMatchObject({ active: 2, inactive: 1, anonpages: 3, swpages: 64, swpginuse: 1, swpgonly: 1 })
    expect(exp).toMatchObject({
      nswapdev: 1,
      pgswapout: 1,
      pdfreed: 1,
      syscalls: 7,
      reserve_kernel: 5,
      reserve_pagedaemon: 1,
    })
    u.R(0)
    const after = uvmexp(u.vm, u.daemon)
    expect([after.pageins, after.pgswapin, after.nswget]).toEqual([1, 0, 1])
    expect(after.flt_anon + after.flt_acow + after.flt_obj + after.flt_prcopy + after.flt_przero).toBe(after.faults)
    expect(after.freemin).toBe(32)
  })
})

describe('pmap listings', () => {
  function world(): UvmWorld {
    const u = new UvmWorld()
    u.map(0, 4)
    u.wire(1, 3)
    return u
  }
  it('map style', () => {
    expect(pmapMapText(world().vm0.map)).toBe(`0x100000 0x101000 rw- rwx COW NNC 1 0 0
0x101000 0x103000 rw- rwx COW NNC 1 1 0
0x103000 0x104000 rw- rwx COW NNC 1 0 0
`)
  })
  it('maps style, default style and all style', () => {
    const u = new UvmWorld()
    const o = u.aobj(4)
    u.map(0, 2)
    u.map(4, 2, { object: o, offset: P, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED, prot: 'r-x' })
    u.map(8, 1, { prot: '---' })
    const { map } = u.vm0
    expect(pmapMapsText(map)).toBe(`0000000000100000-0000000000102000 rw-p 0000000000000000 00:00 0     
0000000000104000-0000000000106000 r-xs 0000000000001000 00:00 0     
0000000000108000-0000000000109000 ---p 0000000000000000 00:00 0     
`)
    expect(pmapText(map)).toBe(`0000000000100000      8K read/write          [ anon ]
0000000000104000      8K read/exec           [ uvm_aobj ]
0000000000108000      4K                     [ anon ]
 total               16K
`)
    expect(pmapAllText(map).split('\n')[2]).toBe(
      '0000000000104000-0000000000105fff       8k 0000000000001000 r-xs- (rwx) 0/0/0 00:00       0 -   [ uvm_aobj ]',
    )
    expect(pmapAllText(map).split('\n')[1]).toContain(' rw-p+ (rwx) 1/0/0 ')
  })
  it('names heap, stack and files', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(4, 2, SHARED_ANON)
    u.map(8, 2, { flags: UVM_FLAG_FIXED | UVM_FLAG_COPYONW })
    u.vm0.startBrk = 0x100000
    u.vm0.brk = 0x102000
    u.vm0.startStack = 0x109ff0
    expect(pmapText(u.vm0.map).match(/\[ \w+ \]/g)).toEqual(['[ heap ]', '[ anon ]', '[ stack ]'])
  })
  it('debugger style', () => {
    const u = world()
    const text = pmapDebugText(u.vm0.map, 7)
    expect(text.split('\n').slice(0, 5)).toEqual([
      'MAP 7: [0x10000->0x7fff0000]',
      `\t#ent=3, sz=16384, ref=1, version=${u.vm0.map.lock.timestamp}, flags=0x1`,
      `\tpmap=${u.vm0.pmap.id}(resident=2, wired=2)`,
      ' - 1: 0x100000->0x101000: obj=0/0x0, amap=2/0',
      '\tsubmap=F, cow=T, nc=F, prot(max)=3/7, inh=1, wc=0, adv=0',
    ])
    expect(text).toContain(' - 3: 0x101000->0x103000: obj=0/0x0, amap=2/1\n')
  })
})
