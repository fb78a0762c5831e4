import { describe, expect, it } from 'vitest'
import { freePages } from './index.ts'
import { boot, freeBlocks, M, S16, take } from './testMachines.ts'
import { verify } from './verify.ts'

describe('allocPages and freePages', () => {
  it('[physical E2] splits the largest block, lowest page first', () => {
    const phys = boot(S16)
    verify(phys)
    expect(take(phys, M)).toBe(3072)
    expect(freeBlocks(phys)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3])
    for (let pfn = 3073; pfn < 3080; pfn++) expect(take(phys, M)).toBe(pfn)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 3])
    verify(phys)
  })

  it('[physical E3] merges what is freed, in any order', () => {
    const phys = boot(S16)
    for (let i = 0; i < 8; i++) take(phys, M)
    for (const i of [3, 0, 7, 1, 6, 2, 5, 4]) freePages(phys, 3072 + i, 0)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4])
    verify(phys)
  })
})
