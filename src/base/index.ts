/**
 * base: the words every room uses. Units and their casts, errors, panics, sleeping, simulated time, randomness,
 * tracepoints, locks. Knows nothing of memory.
 */
export * from './units.ts'
export * from './errno.ts'
export * from './assert.ts'
export * from './sleep.ts'
export * from './rng.ts'
export * from './clock.ts'
export { runToEnd } from './runToEnd.ts'
export * from './trace.ts'
export * from './lock.ts'
export * from './radixTree.ts'
