import { describe, expect, it } from 'vitest'
import { allocPages, GFP_KERNEL, putPage } from '../phys/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  pmapCopyPage,
  pmapEnter,
  pmapGrowkernel,
  pmapIsModified,
  pmapIsReferenced,
  pmapKenterPa,
  pmapKernelTables,
  pmapKremove,
  pmapKremoveNoFlush,
  pmapPageProtect,
  pmapQenter,
  pmapQremove,
  pmapQuickEnterPage,
  pmapQuickRemovePage,
  pmapRemove,
  pmapShootdownKernel,
  pmapUpdate,
  pmapVirtualSpace,
  pmapZeroPage,
  verify,
  VM_PROT_NONE,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W

describe('kernel mappings', () => {
  function grown(cpus = 1): { t: Fixture; K: number } {
    const t = new Fixture({ cpus })
    const { start } = pmapVirtualSpace(t.room)
    pmapGrowkernel(t.room, start + 4 * P)
    return { t, K: start }
  }

  it('[uvm S120] keeps unmanaged mappings out of all accounts', () => {
    const { t, K } = grown()
    const { room } = t
    const g1 = t.page('a')
    pmapKenterPa(room, K, g1, RW)
    expect(t.kernelLoad(K)).toBe('a')
    expect(t.kernelStore(K, 'b')).toBe('ok')
    pmapPageProtect(room, g1, VM_PROT_NONE)
    expect(t.kernelLoad(K)).toBe('b')
    expect([pmapIsModified(room, g1), pmapIsReferenced(room, g1)]).toEqual([false, false])
    expect([t.mappings(g1), t.refs(g1), room.kernel.residentCount]).toEqual([[], 1, 0])
    pmapRemove(t.pm, 0, 2 ** 47)
    expect(t.kernelLoad(K)).toBe('b')
    pmapKremove(room, K, 3 * P)
    expect(t.kernelLoad(K)).toBe('b')
    pmapUpdate(room.kernel)
    expect(t.kernelLoad(K)).toBe('fault')
    verify(room)
  })

  it('panics when a page table is missing, or a managed mapping is in the way', () => {
    const { t, K } = grown()
    expect(() => pmapKenterPa(t.room, K + 2 ** 30, t.page(), R)).toThrow('made before they are used')
    pmapEnter(t.room.kernel, K, t.page('m'), RW, R)
    expect(t.kernelLoad(K)).toBe('m')
    expect(() => pmapKremove(t.room, K, P)).toThrow('unmanaged')
    expect(() => pmapKenterPa(t.room, K, t.page(), R)).toThrow('unmanaged')
    expect(t.room.kernel.residentCount).toBe(1)
    pmapRemove(t.room.kernel, K, K + P)
    pmapUpdate(t.room.kernel)
    expect(t.kernelLoad(K)).toBe('fault')
    verify(t.room)
  })

  it('tells other CPUs of an overwritten mapping at the update', () => {
    const { t, K } = grown(2)
    pmapKenterPa(t.room, K, t.page('1'), R)
    expect(t.kernelLoad(K, 0) + t.kernelLoad(K, 1)).toBe('11')
    pmapKenterPa(t.room, K, t.page('2'), R)
    expect(t.kernelLoad(K, 0) + t.kernelLoad(K, 1)).toBe('21')
    pmapUpdate(t.room.kernel)
    expect(t.kernelLoad(K, 0) + t.kernelLoad(K, 1)).toBe('22')
    expect(t.kernelStore(K, 'x')).toBe('fault')
  })

  it('[uvm S121] grows the kernel map for pmaps old and new', () => {
    const t = new Fixture()
    const { room } = t
    const { start, end } = pmapVirtualSpace(room)
    const limit = room.kernelLimit
    expect(limit).toBe(start)
    const grownTo = pmapGrowkernel(room, limit + 1)
    expect(grownTo).toBeGreaterThanOrEqual(limit + 1)
    expect(Number.isInteger(grownTo / 2 ** 21)).toBe(true)
    expect(pmapGrowkernel(room, start)).toBe(grownTo)
    // Into another entry of the root.
    const far = pmapGrowkernel(room, grownTo + 1)
    pmapKernelTables(room, end - 2 ** 21, end)
    pmapKenterPa(room, far - P, t.page('x'), R)
    pmapKenterPa(room, end - P, t.page('y'), R)
    for (const pmap of [t.pm, t.pm2, t.create()]) {
      t.activate(pmap)
      expect(t.kernelLoad(far - P) + t.kernelLoad(end - P)).toBe('xy')
    }
    verify(room)
  })

  it('lets vmap flush many removals at once', () => {
    const { t, K } = grown(2)
    const { room } = t
    for (let i = 0; i < 4; i++) pmapKenterPa(room, K + i * P, t.page(String(i)), R)
    expect(t.kernelLoad(K, 1) + t.kernelLoad(K + P, 1)).toBe('01')
    pmapKremoveNoFlush(room, K, 2 * P)
    pmapUpdate(room.kernel)
    expect(t.kernelLoad(K, 1) + t.kernelLoad(K + P, 1)).toBe('01')
    expect(t.ipis).toBe(0)
    pmapShootdownKernel(room, K, K + 2 * P)
    expect([t.kernelLoad(K, 1), t.kernelLoad(K + P, 1), t.kernelLoad(K + 2 * P, 1)]).toEqual(['fault', 'fault', '2'])
    expect(t.ipis).toBe(1)
    verify(room)
  })

  it('[uvm S131] enters and removes pages for every CPU at once', () => {
    const { t, K } = grown(2)
    const { room } = t
    const [g1, g2] = [t.page('1'), t.page('2')]
    pmapQenter(room, K, [g1, g2], 2)
    expect(t.ipis).toBe(0)
    for (const cpu of [0, 1]) expect(t.kernelLoad(K, cpu) + t.kernelLoad(K + P, cpu)).toBe('12')
    pmapQenter(room, K, [g2], 1)
    for (const cpu of [0, 1]) expect(t.kernelLoad(K, cpu)).toBe('2')
    pmapQenter(room, K, [], 0)
    expect(t.kernelStore(K, 'z', 1)).toBe('ok')
    pmapQremove(room, K, 2)
    for (const cpu of [0, 1]) expect([t.kernelLoad(K, cpu), t.kernelLoad(K + P, cpu)]).toEqual(['fault', 'fault'])
    expect([pmapIsModified(room, g2), pmapIsReferenced(room, g2), t.refs(g2)]).toEqual([false, false, 1])
    expect(room.kernel.residentCount).toBe(0)
    verify(room)
  })

  it('zeroes and copies pages without touching attributes', () => {
    const { t } = grown()
    const [g1, g2] = [t.page('abc'), t.page('xyz')]
    pmapCopyPage(t.room, g1, g2)
    expect(t.byteOf(g2)).toBe('a')
    pmapZeroPage(t.room, g1)
    expect([t.byteOf(g1), t.byteOf(g2)]).toEqual(['\0', 'a'])
    expect([pmapIsModified(t.room, g1), pmapIsModified(t.room, g2)]).toEqual([false, false])
  })
})

describe('quick mappings', () => {
  /** Every page above the direct map. */
  function perCpu(options: ConstructorParameters<typeof Fixture>[0] = {}): {
    t: Fixture
    wired: (s: string) => number
  } {
    const t = new Fixture({ directMapLimit: 0, ...options })
    const wired = (text: string): number => {
      const pfn = t.page(text)
      t.room.frames.wireCount[t.room.frames.frameOf(pfn)] = 1
      return pfn
    }
    return { t, wired }
  }

  it('[uvm S124] maps a page at the frame of the CPU', () => {
    const { t, wired } = perCpu()
    const { room } = t
    const g1 = wired('abc')
    const [cpu] = t.machine.cpus
    const v = pmapQuickEnterPage(room, g1)
    expect(Number.isInteger(v / P)).toBe(true)
    expect(t.kernelLoad(v)).toBe('a')
    expect(t.kernelStore(v, 'Z')).toBe('ok')
    expect(t.byteOf(g1)).toBe('Z')
    expect([pmapIsModified(room, g1), t.mappings(g1), room.kernel.residentCount]).toEqual([false, [], 0])
    expect(cpu.preemptionDepth).toBe(1)
    pmapQuickRemovePage(room, v)
    expect(cpu.preemptionDepth).toBe(0)
    expect(t.kernelLoad(v)).toBe('fault')
    verify(room)
  })

  it('[uvm S125] refuses to nest', () => {
    const { t, wired } = perCpu()
    const g1 = wired('a')
    const v = pmapQuickEnterPage(t.room, g1)
    expect(() => pmapQuickEnterPage(t.room, g1)).toThrow('not nested')
    pmapQuickRemovePage(t.room, v)
    expect(pmapQuickEnterPage(t.room, g1)).toBe(v)
  })

  it('[uvm S126] gives two CPUs two addresses', () => {
    const { t, wired } = perCpu({ cpus: 2 })
    const g1 = wired('a')
    const v0 = pmapQuickEnterPage(t.room, g1)
    const v1 = t.on(1, () => pmapQuickEnterPage(t.room, g1))
    expect(v0).not.toBe(v1)
    expect(t.kernelLoad(v0, 0) + t.kernelLoad(v1, 1)).toBe('aa')
    t.on(1, () => pmapQuickRemovePage(t.room, v1))
    pmapQuickRemovePage(t.room, v0)
    verify(t.room)
  })

  it.each(['direct map', 'frame'])('[uvm S127] panics when it is misused (%s)', (strategy) => {
    let spinLocks = 0
    const options = { cpus: 2, spinLocksHeld: () => spinLocks }
    const { t, wired } = perCpu(strategy === 'frame' ? options : { ...options, directMapLimit: 2 ** 30 })
    const { room, machine } = t
    const g1 = wired('a')
    const [cpu] = machine.cpus

    const v = pmapQuickEnterPage(room, g1)
    // Sleeping, and so waiting for a lock.
    expect(cpu.maySleep).toBe(false)
    expect(() => allocPages(room.phys, GFP_KERNEL, 0).next()).toThrow()
    expect(() => pmapQuickRemovePage(room, v + P)).toThrow('removed where it was made')
    expect(() => t.on(1, () => pmapQuickRemovePage(room, v))).toThrow('removed where it was made')
    machine.current.thread = {}
    expect(() => pmapQuickRemovePage(room, v)).toThrow('removed where it was made')
    machine.current.thread = null
    pmapQuickRemovePage(room, v)
    expect(() => pmapQuickRemovePage(room, v)).toThrow('removed where it was made')

    cpu.interruptLevel = 1
    expect(() => pmapQuickEnterPage(room, g1)).toThrow('interrupt context')
    cpu.interruptLevel = 0
    spinLocks = 1
    expect(() => pmapQuickEnterPage(room, g1)).toThrow('spin lock')
    spinLocks = 0
    const loose = t.page('l')
    pmapEnter(t.pm, B, loose, R, R)
    expect(() => pmapQuickEnterPage(room, loose)).toThrow('wired or held')
    room.frames.refcount[room.frames.frameOf(loose)]++
    pmapQuickRemovePage(room, pmapQuickEnterPage(room, loose))
    putPage(room.phys, loose)
    // A reserved frame is unmanaged.
    pmapQuickRemovePage(room, pmapQuickEnterPage(room, 1))
    expect(cpu.preemptionDepth).toBe(0)
  })

  it('[uvm S128] honours a reschedule at the removal, not earlier', () => {
    const events: string[] = []
    let isPending = false
    const reschedule = () => {
      if (!isPending) return
      isPending = false
      events.push('switch')
    }
    const { t, wired } = perCpu({ cpus: 2, reschedule })
    const v = pmapQuickEnterPage(t.room, wired('a'))
    t.machine.sendIpi(t.machine.cpus[1], t.machine.cpus[0], () => {
      isPending = true
    })
    events.push('use')
    t.kernelLoad(v)
    pmapQuickRemovePage(t.room, v)
    expect(events).toEqual(['use', 'switch'])
  })

  it('[uvm S129] uses the direct map below its limit', () => {
    const t = new Fixture({ directMapLimit: 8 * 2 ** 20, quickChecks: false })
    const low = 100
    t.room.memory.write8(low * P, 0x61)
    const v = pmapQuickEnterPage(t.room, low)
    expect(v).toBe(t.room.directMapStart + low * P)
    pmapQuickRemovePage(t.room, v)
    expect(t.kernelLoad(v)).toBe('a')
    expect(t.kernelLoad(t.room.directMapStart + 8 * 2 ** 20)).toBe('fault')
    const frames = t.room.frames
    frames.wireCount[frames.frameOf(3000)] = 1
    const high = pmapQuickEnterPage(t.room, 3000)
    expect(high).toBe(t.room.cpus[0].quickVa)
    pmapQuickRemovePage(t.room, high)
    frames.wireCount[frames.frameOf(3000)] = 0
    verify(t.room)
  })

  it('[uvm S130] sends no interrupts and leaves nothing stale', () => {
    const { t, wired } = perCpu({ cpus: 2 })
    for (const text of ['1', '2', '3']) {
      const v = pmapQuickEnterPage(t.room, wired(text))
      expect(t.kernelLoad(v)).toBe(text)
      pmapQuickRemovePage(t.room, v)
    }
    expect(t.ipis).toBe(0)
    expect(t.machine.cpus[1].ipisReceived).toBe(0)
  })
})
