import { Clock, kassert, Rng, Trace } from '../base/index.ts'
import { Cpu } from './cpu.ts'
import { sendIpi } from './ipi.ts'
import { layoutOf, type Layout } from './layout.ts'
import { PhysicalMemory, type RamRange } from './physicalMemory.ts'
import type { PteFormat } from './pte/format.ts'
import type { TlbConfig } from './tlb.ts'

export interface MachineConfig {
  readonly ram: readonly RamRange[]
  readonly cpus: number
  readonly tlb: TlbConfig
  readonly format: PteFormat
  readonly seed: number
  /** Memory node of each CPU; node 0 if absent. */
  readonly cpuNode?: readonly number[]
  /** Most bytes of RAM that may be touched; 4 GiB if absent. */
  readonly backingBytes?: number
  /** The format's own layout if absent. */
  readonly layout?: Layout
}

/** The hardware of one simulated computer. Nothing in it knows a kernel, and nothing is shared with another one. */
export class Machine {
  readonly memory: PhysicalMemory
  readonly cpus: readonly Cpu[]
  readonly clock = new Clock()
  readonly rng: Rng
  readonly trace = new Trace()
  readonly format: PteFormat
  readonly layout: Layout
  /** Who runs: the one place that says it. */
  readonly current: { cpu: Cpu; thread: object | null }

  constructor(config: MachineConfig) {
    kassert(config.cpus >= 1 && Number.isInteger(config.cpus), 'a machine has a CPU')
    this.memory = new PhysicalMemory(config.ram, config.backingBytes)
    this.format = config.format
    this.layout = config.layout ?? layoutOf(config.format)
    this.rng = new Rng(config.seed)
    this.cpus = Array.from(
      { length: config.cpus },
      (_, id) => new Cpu(id, config.cpuNode?.[id] ?? 0, this.memory, config.tlb, config.format),
    )
    this.current = { cpu: this.cpus[0]!, thread: null }
  }

  /** Runs `handler` on `target` now; see sendIpi. */
  sendIpi(sender: Cpu, target: Cpu, handler: () => void): void {
    sendIpi(this, sender, target, handler)
  }
}
