import { panic } from '../base/index.ts'
import { Mmu } from './mmu.ts'
import type { PhysicalMemory } from './physicalMemory.ts'
import type { PteFormat } from './pte/format.ts'
import { Tlb, type TlbConfig } from './tlb.ts'

/** One processor: its translation hardware and the state that says what it may be interrupted by. */
export class Cpu {
  readonly id: number
  /** Memory node it is nearest to. */
  readonly node: number
  readonly tlb: Tlb
  readonly mmu: Mmu
  interruptsEnabled = true
  /** Nested preempt_disable; sleeping needs 0. */
  preemptionDepth = 0
  /** Nested interrupt handlers; sleeping needs 0. */
  interruptLevel = 0
  /** Simulated time up to which this CPU has run or been idle, in nanoseconds. */
  time = 0
  /** Of `time`: running programs, and everything else that was done. */
  userNs = 0
  systemNs = 0
  /** How often it took up another thread. */
  switches = 0
  ipisSent = 0
  ipisReceived = 0

  constructor(id: number, node: number, memory: PhysicalMemory, tlb: TlbConfig, format: PteFormat) {
    this.id = id
    this.node = node
    this.tlb = new Tlb(tlb)
    this.mmu = new Mmu(memory, this.tlb, format)
  }

  /** Work of the kernel or of an interrupt. */
  charge(ticks: number): void {
    this.time += ticks
    this.systemNs += ticks
  }
  chargeUser(ticks: number): void {
    this.time += ticks
    this.userNs += ticks
  }
  disablePreemption(): void {
    this.preemptionDepth++
  }
  enablePreemption(): void {
    if (this.preemptionDepth === 0) panic('preemption is enabled as often as it was disabled', `cpu ${this.id}`)
    this.preemptionDepth--
  }
  /** May what runs here sleep? */
  get maySleep(): boolean {
    return this.preemptionDepth === 0 && this.interruptLevel === 0 && this.interruptsEnabled
  }
}
