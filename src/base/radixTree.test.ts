import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RadixTree } from './index.ts'

const index = fc.oneof(fc.nat(200), fc.nat(100_000), fc.constantFrom(2 ** 31, 2 ** 40, 2 ** 52 - 1))

describe('RadixTree', () => {
  it('agrees with a Map under any sequence of set, delete and tag', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('set' as const), index, value: fc.integer({ min: 1, max: 1e9 }) }),
      fc.record({ op: fc.constant('delete' as const), index, value: fc.constant(0) }),
      fc.record({ op: fc.constantFrom('tag' as const, 'untag' as const), index, value: fc.nat(2) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), index, (steps, from) => {
        const tree = new RadixTree()
        const model = new Map<number, { value: number; tags: Set<number> }>()
        for (const { op, index: i, value } of steps) {
          const entry = model.get(i)
          if (op === 'set') {
            expect(tree.set(i, value)).toBe(entry?.value ?? 0)
            if (entry) entry.value = value
            else model.set(i, { value, tags: new Set() })
          } else if (op === 'delete') {
            expect(tree.delete(i)).toBe(entry?.value ?? 0)
            model.delete(i)
          } else if (entry) {
            if (op === 'tag') {
              tree.setTag(i, value)
              entry.tags.add(value)
            } else {
              tree.clearTag(i, value)
              entry.tags.delete(value)
            }
          }
          expect(tree.size).toBe(model.size)
        }
        const keys = [...model.keys()].sort((a, b) => a - b)
        expect(tree.next(from)).toBe(keys.find((k) => k >= from) ?? -1)
        for (const tag of [0, 1, 2])
          expect(tree.nextTagged(from, tag)).toBe(keys.find((k) => k >= from && model.get(k)!.tags.has(tag)) ?? -1)
        for (const [k, { value, tags }] of model) {
          expect(tree.get(k)).toBe(value)
          for (const tag of [0, 1, 2]) expect(tree.hasTag(k, tag)).toBe(tags.has(tag))
        }
      }),
      { numRuns: 200 },
    )
  })
})
