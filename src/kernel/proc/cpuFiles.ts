// The texts of /proc about processors and the time they have spent.

import type { Cpu } from '../../machine/index.ts'
import type { Kernel } from '../process/index.ts'

const ISA = 'rv64imafdc_zicntr_zicsr_zifencei'
/** /proc/cpuinfo as on RISC-V. */
export function cpuinfoText({ machine }: Kernel): string {
  return machine.cpus
    .map(
      ({ id }) =>
        `processor\t: ${id}\nhart\t\t: ${id}\nisa\t\t: ${ISA}\nmmu\t\t: ${machine.format.name}\nuarch\t\t: pagewright\n` +
        `mvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: ${ISA}\n\n`,
    )
    .join('')
}

/** What a CPU has not run since boot, in nanoseconds. It may be ahead of the clock. */
function idleNs(kernel: Kernel, cpu: Cpu): number {
  return Math.max(kernel.machine.clock.now, cpu.time) - cpu.userNs - cpu.systemNs
}
function sum(cpus: readonly Cpu[], of: (cpu: Cpu) => number): number {
  return cpus.reduce((total, cpu) => total + of(cpu), 0)
}

/** /proc/stat: times in hundredths of a second. What waits for a disk counts as idle. @manual proc_stat(5) */
export function systemStatText(kernel: Kernel): string {
  const { cpus } = kernel.machine
  const row = (name: string, of: readonly Cpu[]): string => {
    const [user, system, idle] = [
      (cpu: Cpu) => cpu.userNs,
      (cpu: Cpu) => cpu.systemNs,
      (cpu: Cpu) => idleNs(kernel, cpu),
    ].map((ns) => Math.floor(sum(of, ns) / 1e7))
    return `${name} ${user} 0 ${system} ${idle} 0 0 0 0 0 0\n`
  }
  const alive = [...kernel.processes.byTid.values()]
  const running = alive.filter((thread) => thread.state === 'running' || thread.state === 'runnable').length
  return (
    row('cpu ', cpus) +
    cpus.map((cpu) => row(`cpu${cpu.id}`, [cpu])).join('') +
    `intr ${sum(cpus, (cpu) => cpu.ipisReceived)}\nctxt ${sum(cpus, (cpu) => cpu.switches)}\n` +
    `btime ${kernel.files.bootSeconds}\nprocesses ${kernel.processes.forks}\nprocs_running ${running}\nprocs_blocked 0\n`
  )
}
/** /proc/uptime: seconds since boot, and seconds that CPUs were idle, all together. @manual proc_uptime(5) */
export function uptimeText(kernel: Kernel): string {
  const { clock, cpus } = kernel.machine
  const idle = sum(cpus, (cpu) => idleNs(kernel, cpu))
  return `${(clock.now / 1e9).toFixed(2)} ${(idle / 1e9).toFixed(2)}\n`
}
export function loadavgText({ processes }: Kernel): string {
  const threads = [...processes.byTid.values()]
  const running = threads.filter((thread) => thread.state === 'running' || thread.state === 'runnable').length
  const last = threads.reduce((most, thread) => Math.max(most, thread.tid), 0)
  return `0.00 0.00 0.00 ${running}/${threads.length} ${last}\n`
}
