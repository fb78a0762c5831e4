import type { Hart } from './hart.ts'
import { CAUSE_ILLEGAL, STOP_ILLEGAL, type Stop } from './stop.ts'
export function executeFloat(hart: Hart, _op: number, _w: number, _imm: number): Stop {
  return hart.trap(STOP_ILLEGAL, CAUSE_ILLEGAL, 0)
}
