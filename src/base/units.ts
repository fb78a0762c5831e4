// The units of the house. Brands stand at doors and in struct fields; loops use plain numbers.
// Casts from number to a branded unit live here and nowhere else.

declare const unit: unique symbol
type Unit<Name extends string> = number & { readonly [unit]: Name }

/** Virtual address in bytes, signed and canonical: user >= 0, kernel < 0. */
export type Vaddr = Unit<'vaddr'>
/** Physical address in bytes. */
export type Paddr = Unit<'paddr'>
/** Virtual page number, floor(vaddr / PAGE_SIZE), signed. */
export type Vpn = Unit<'vpn'>
/** Physical page (frame) number, paddr / PAGE_SIZE. */
export type Pfn = Unit<'pfn'>
/** Page index inside a memory object. */
export type Pgoff = Unit<'pgoff'>
/** Simulated time in nanoseconds. */
export type Ticks = Unit<'ticks'>

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 4096
export const PAGE_MASK = 4095
/** The largest page index (DESIGN.md, decision 6). */
export const PGOFF_MAX = 2 ** 52 - 1
export const KiB = 1024
export const MiB = 1024 * 1024
export const GiB = 1024 * 1024 * 1024

export const vaddr = (n: number): Vaddr => n as Vaddr
export const paddr = (n: number): Paddr => n as Paddr
export const vpn = (n: number): Vpn => n as Vpn
export const pfn = (n: number): Pfn => n as Pfn
export const pgoff = (n: number): Pgoff => n as Pgoff
export const ticks = (n: number): Ticks => n as Ticks

export const vpnOf = (va: number): Vpn => Math.floor(va / PAGE_SIZE) as Vpn
export const pfnOf = (pa: number): Pfn => Math.floor(pa / PAGE_SIZE) as Pfn
export const truncPage = (n: number): number => n - (n & PAGE_MASK)
export const roundPage = (n: number): number => Math.ceil(n / PAGE_SIZE) * PAGE_SIZE
/** A 64-bit register as an unsigned number: exact for whole pages. */
export const unsigned64 = (n: number): number => (n < 0 ? n + ADDRESS_END : n)
/** One more than the largest 64-bit address. A range whose end reaches it wraps. */
export const ADDRESS_END = 2 ** 64
/** A length in a 64-bit register, rounded up to whole pages as 64 bits hold it: what rounds up to 2^64 is 0. */
export const pageLength = (bytes: number): number => {
  const rounded = unsigned64(roundPage(bytes))
  return rounded >= ADDRESS_END ? rounded - ADDRESS_END : rounded
}
export const isPageAligned = (n: number): boolean => (n & PAGE_MASK) === 0
