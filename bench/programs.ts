// Instructions per second on three programs, beside qemu-riscv64 running the same files where it is installed.
//
// What a program costs at its smallest size is taken off both sides: it is the price of starting, not of running.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createSystem } from '../src/index.ts'
import { type Findings, cpuNs, median, type Row } from './measure.ts'

const PROGRAMS = [
  { name: 'alu', what: 'integer arithmetic (alu)', size: '4000000', wanted: 40 },
  { name: 'matrix', what: 'floating point (matrix)', size: '128' },
  { name: 'mem', what: 'random load and store over 4,096 pages (mem)', size: '1500000', wanted: 25 },
] as const
const SMALLEST = '1'
const SAMPLES = 5
const QEMU = 'qemu-riscv64'
const QEMU_TIMES = 20

export function measure(): Findings {
  const rows: Row[] = []
  const hasQemu = spawnSync(QEMU, ['--version']).status === 0
  for (const { name, what, size, ...wanted } of PROGRAMS) {
    const file = new URL(`../programs/bin/${name}.elf`, import.meta.url)
    const elf = readFileSync(file)
    run(elf, size)
    const own = []
    const qemu = []
    for (let i = 0; i < SAMPLES; i++) {
      const small = run(elf, SMALLEST)
      const big = run(elf, size)
      const instructions = big.instructions - small.instructions
      own.push((big.ns - small.ns) / instructions)
      if (hasQemu) qemu.push((qemuNs(file.pathname, size) - qemuNs(file.pathname, SMALLEST)) / instructions)
    }
    const ns = median(own)
    const yardstick = `instruction, ${QEMU}`
    const label = `instruction, ${what}`
    if (!hasQemu) rows.push({ what: label, ns, yardstick, yardstickNs: null, ratio: null, note: 'not installed' })
    else rows.push({ what: label, ns, yardstick, yardstickNs: median(qemu), ratio: ns / median(qemu), ...wanted })
  }
  return { rows }
}

function run(elf: Uint8Array, size: string): { ns: number; instructions: number } {
  const system = createSystem({ memory: '64M' })
  const program = system.spawn(elf, { args: [size] })
  const start = cpuNs()
  const status = system.run(program)
  const ns = cpuNs() - start
  if (status !== 0) throw new Error(`a program of the benchmark ends with ${status}`)
  return { ns, instructions: system.rooms.harts[0]!.instructions }
}

/** Processor time of one run, the mean of several: the kernel counts children's time in hundredths of a second. */
function qemuNs(path: string, size: string): number {
  const start = childrenNs()
  for (let i = 0; i < QEMU_TIMES; i++) {
    if (spawnSync(QEMU, [path, size]).status !== 0) throw new Error('a program of the benchmark fails under qemu')
  }
  return (childrenNs() - start) / QEMU_TIMES
}
/** proc_pid_stat(5), cutime and cstime. */
function childrenNs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 1e7
}
