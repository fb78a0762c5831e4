import { KernelPanic } from '../../base/index.ts'
import type { PageCache } from './pageCache.ts'

/** Asserts a rule about a frame; its state becomes text only when the rule is broken. */
export function assertPage(cache: PageCache, condition: boolean, rule: string, f: number): asserts condition {
  if (!condition) throw new KernelPanic(rule, cache.describe(f))
}
