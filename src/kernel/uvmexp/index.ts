/**
 * uvmexp: NetBSD's view of the system, for people: the exported counters, and the listings of vmstat(1) and pmap(1).
 *
 * Nothing here changes anything. Manuals: uvm(9), vmstat(1), pmap(1), NetBSD.
 */
export { type SystemCounts, type Uvmexp, uvmexp } from './uvmexp.ts'
export { vmstatText } from './vmstatText.ts'
export { pmapAllText, pmapDebugText, pmapMapsText, pmapMapText, pmapText } from './mapText.ts'
