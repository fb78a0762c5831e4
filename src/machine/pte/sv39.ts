import type { PteFormat } from './format.ts'
import { RiscvFormat } from './riscv.ts'

/** RISC-V, three levels: 39-bit virtual addresses, leaves of 4 KiB, 2 MiB and 1 GiB. */
export const sv39: PteFormat = new RiscvFormat('sv39', 3, 2)
