import type { PteFormat } from './format.ts'
import { RiscvFormat } from './riscv.ts'

/** RISC-V, four levels: 48-bit virtual addresses, leaves of 4 KiB to 512 GiB. */
export const sv48: PteFormat = new RiscvFormat('sv48', 4, 3)
