// Boots a small machine, runs a program on it, and looks into it while it runs.
//
//   npx tsx examples/run-a-program.ts

import { readFileSync } from 'node:fs'
import { createSystem, formatReport } from '../src/index.ts' // 'pagewright' when it is installed

const elf = readFileSync(new URL('../programs/bin/sort.elf', import.meta.url))

const system = createSystem({ memory: '64M', cpus: 2, tlb: '64x4', pages: 'sv48', seed: 42 })
const program = system.spawn(elf, { name: 'sort', args: ['5'] })

// Half a million instructions, then a look: counters, mappings, and memory through the program's own address space.
system.step(500_000)
console.log('so far:', program.counters)
console.log(program.maps)
const [codeStart] = program.maps.split('-')
const magic = program.load(Number.parseInt(codeStart!, 16), 4)
console.log('its first page begins with', magic) // 7f 45 4c 46: the ELF header

// To the end.
const exitCode = system.run(program)
console.log(`${program.stdout}exit code ${exitCode}`)

// What the virtual memory did: as a record, and as text. Every invariant of every room still holds.
const report = system.report()
console.log('faults:', report.faults)
console.log(formatReport(report))
system.verify()
