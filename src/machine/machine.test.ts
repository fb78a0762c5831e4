import { describe, expect, it } from 'vitest'
import { KernelPanic, MiB, sleepUntil } from '../base/index.ts'
import { handMade } from './handMade.ts'
import {
  aarch64,
  F_READ,
  F_USER,
  IPI_TICKS,
  LAYOUT_X86_64,
  layoutOf,
  Machine,
  sv39,
  sv48,
  verify,
  x86_64,
  type VaRange,
} from './index.ts'

const FORMATS = [sv39, sv48, x86_64, aarch64]

describe('Machine', () => {
  it('shares nothing with another one', () => {
    const [a, b] = [handMade(sv39), handMade(sv39)]
    a.map(0x1000, 7, F_READ | F_USER)
    expect(a.mmu.translateRead(0x1000)).toBeGreaterThan(0)
    expect(b.mmu.translateRead(0x1000)).toBeLessThan(0)
    expect(a.machine.rng.next32()).toBe(b.machine.rng.next32())
  })
  it('has CPUs near the nodes it is told', () => {
    const config = { ram: [{ start: 0, end: 2 * MiB }], tlb: { entries: 4 }, format: sv48, seed: 1 }
    const { cpus, current } = new Machine({ ...config, cpus: 4, cpuNode: [0, 0, 1] })
    expect(cpus.map((cpu) => cpu.node)).toEqual([0, 0, 1, 0])
    expect(current).toEqual({ cpu: cpus[0], thread: null })
    expect(() => new Machine({ ...config, cpus: 0 })).toThrow('a machine has a CPU')
  })
  it('is verified: a front slot whose entry is not there is found', () => {
    const { machine, mmu, map, tlb } = handMade(sv48)
    map(0x1000, 7, F_READ | F_USER)
    mmu.translateRead(0x1000)
    verify(machine)
    tlb.frontOffset[1]! += 4096
    expect(() => verify(machine)).toThrow('a front slot names the frame of its entry')
    tlb.frontOffset[1]! -= 4096
    tlb.writeTag[1] = 1
    expect(() => verify(machine)).toThrow('a front slot allows what its entry does')
    tlb.writeTag[1] = NaN
    tlb.readTag[2] = 2
    expect(() => verify(machine)).toThrow('a front slot is derived from an entry that is there')
    tlb.readTag[2] = NaN
    tlb.setAsid(2)
    expect(() => verify(machine)).toThrow('a CPU and its TLB agree on the address space')
  })
})

describe('sendIpi', () => {
  it('runs the handler on the target, now, as the target and at its expense', () => {
    const { machine } = handMade(sv48, 16, 2)
    const [a, b] = [machine.cpus[0]!, machine.cpus[1]!]
    const thread = {}
    machine.current.thread = thread
    let seen: unknown = null
    machine.sendIpi(a, b, () => {
      b.charge(500)
      seen = { ...machine.current, level: b.interruptLevel, enabled: b.interruptsEnabled, maySleep: b.maySleep }
    })
    expect(seen).toEqual({ cpu: b, thread: null, level: 1, enabled: false, maySleep: false })
    expect(machine.current).toEqual({ cpu: a, thread })
    expect([a.time, b.time]).toEqual([0, IPI_TICKS + 500])
    expect([a.ipisSent, b.ipisReceived, a.ipisReceived]).toEqual([1, 1, 0])
    expect(b.maySleep).toBe(true)
  })
  it('lets one CPU drop what another one caches: nothing else does', () => {
    const { machine, map, memory } = handMade(sv48, 16, 2)
    const [a, b] = [machine.cpus[0]!, machine.cpus[1]!]
    b.mmu.setRoot(sv48, 1, 1)
    const pte = map(0x1000, 7, F_READ | F_USER)
    const before = b.mmu.translateRead(0x1000)
    memory.write32(pte, 0)
    a.tlb.invalidatePage(0x1000, 1)
    expect(b.mmu.translateRead(0x1000)).toBe(before)
    machine.sendIpi(a, b, () => b.tlb.invalidatePage(0x1000, 1))
    expect(b.mmu.translateRead(0x1000)).toBeLessThan(0)
  })
  it('is not sent, nor taken, with interrupts disabled; so it never nests', () => {
    const { machine } = handMade(sv48, 16, 2)
    const [a, b] = [machine.cpus[0]!, machine.cpus[1]!]
    a.interruptsEnabled = false
    expect(() => machine.sendIpi(a, b, () => {})).toThrow('an interrupt is not sent with interrupts disabled')
    a.interruptsEnabled = true
    b.interruptsEnabled = false
    expect(() => machine.sendIpi(a, b, () => {})).toThrow('an interrupt is not taken with interrupts disabled')
    b.interruptsEnabled = true
    expect(() => machine.sendIpi(a, b, () => machine.sendIpi(b, a, () => {}))).toThrow(KernelPanic)
    expect(machine.current.cpu).toBe(a)
    expect([b.interruptLevel, b.interruptsEnabled]).toEqual([0, true])
  })
  it('takes no handler that could sleep', () => {
    const { machine } = handMade(sv48, 16, 2)
    const handler = (): unknown => sleepUntil(5)
    expect(() => machine.sendIpi(machine.cpus[0]!, machine.cpus[1]!, handler as () => void)).toThrow('does not sleep')
  })
  it('is traced', () => {
    const { machine } = handMade(sv48, 16, 2)
    const lines: string[] = []
    machine.trace.attach((name, fields) => lines.push(`${name} ${fields['cpu']}`))
    machine.sendIpi(machine.cpus[0]!, machine.cpus[1]!, () => {})
    expect(lines).toEqual(['ipi_send_cpu 1'])
  })
})

describe('Cpu', () => {
  it('may sleep only with interrupts and preemption enabled and outside interrupts', () => {
    const cpu = handMade(sv48).cpu
    expect(cpu.maySleep).toBe(true)
    cpu.disablePreemption()
    cpu.disablePreemption()
    cpu.enablePreemption()
    expect(cpu.maySleep).toBe(false)
    cpu.enablePreemption()
    expect(cpu.maySleep).toBe(true)
    expect(() => cpu.enablePreemption()).toThrow('preemption is enabled as often as it was disabled')
    cpu.interruptLevel = 1
    expect(cpu.maySleep).toBe(false)
  })
})

describe('layouts', () => {
  const regions = (format: (typeof FORMATS)[number]): VaRange[] => {
    const { user, directMap, vmalloc, kernelMap, quickFrames } = layoutOf(format)
    return [user, directMap, vmalloc, kernelMap, quickFrames]
  }
  it.each(FORMATS)(
    'of $name: canonical, page-aligned, disjoint, in the right half, and no address an errno',
    (format) => {
      const ranges = regions(format)
      for (const [i, { start, end }] of ranges.entries()) {
        expect(start).toBeLessThan(end)
        expect([start % 4096, end % 4096].map(Math.abs)).toEqual([0, 0])
        expect(format.isCanonical(start) && format.isCanonical(end - 1)).toBe(true)
        expect(i === 0 ? start > 0 : end <= -4096).toBe(true)
        for (const other of ranges.slice(i + 1)) expect(end <= other.start || other.end <= start).toBe(true)
      }
    },
  )
  it('have the addresses of real kernels', () => {
    const text = (va: number): string => BigInt.asUintN(64, BigInt(va)).toString(16)
    expect(text(layoutOf(sv48).directMap.start)).toBe('ffffaf8000000000')
    expect(text(layoutOf(sv48).vmalloc.start)).toBe('ffff8f8000000000')
    expect(text(layoutOf(sv39).directMap.start)).toBe('ffffffd600000000')
    expect(text(LAYOUT_X86_64.directMap.start)).toBe('ffff888000000000')
    expect(text(LAYOUT_X86_64.vmalloc.start)).toBe('ffffc90000000000')
  })
})
