/** Bits of a word of kpageflags that are looked at; of its upper half the last one. */
const KPF = {
  referenced: 1 << 2,
  dirty: 1 << 4,
  lru: 1 << 5,
  active: 1 << 6,
  writeback: 1 << 8,
  buddy: 1 << 10,
  anon: 1 << 12,
  swapcache: 1 << 13,
  swapbacked: 1 << 14,
  unevictable: 1 << 18,
  pgtable: 1 << 26,
  mlocked: 1 << 1,
} as const

/** Does a half of a word of kpageflags have a bit? */
export function has(half: number, bit: keyof typeof KPF): boolean {
  return (half & KPF[bit]) !== 0
}
