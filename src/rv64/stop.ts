// Why a hart stopped.

export const STOP_BUDGET = 0
/** pc stands on the ecall. */
export const STOP_ECALL = 1
/** A page or access fault: `cause` 12, 13, 15 or 1, 5, 7; `stval` the first byte that could not be reached. */
export const STOP_FAULT = 2
/** `stval` has the instruction's bits, or 0 if they are not what is wrong. */
export const STOP_ILLEGAL = 3
/** ebreak; `stval` is its address. */
export const STOP_BREAKPOINT = 4
/** LR, SC and AMO only: `cause` 4 or 6. */
export const STOP_MISALIGNED = 5
export type Stop = 0 | 1 | 2 | 3 | 4 | 5
export const STOP_NAMES = ['budget', 'ecall', 'fault', 'illegal', 'breakpoint', 'misaligned'] as const

// Causes beyond those of the machine's translations.
export const CAUSE_ILLEGAL = 2
export const CAUSE_BREAKPOINT = 3
export const CAUSE_ECALL = 8
