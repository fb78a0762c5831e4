// The same program under TLBs of different sizes: the output is the same, the misses are not.
//
//   npx tsx examples/compare-tlbs.ts

import { readFileSync } from 'node:fs'
import { createSystem } from '../src/index.ts' // 'pagewright' when it is installed

const elf = readFileSync(new URL('../programs/bin/mem.elf', import.meta.url))

console.log('entries       misses   hit rate   walks read')
for (const tlb of [1, 4, 16, 64, 256, 1024, 4096]) {
  const system = createSystem({ memory: '64M', tlb })
  system.run(system.spawn(elf, { args: ['20000'] }))
  const { misses, hits, accesses, walkReads } = system.report().tlb
  const rate = ((hits / accesses) * 100).toFixed(3)
  console.log(`${tlb}`.padStart(7), `${misses}`.padStart(12), `${rate} %`.padStart(10), `${walkReads}`.padStart(12))
}
