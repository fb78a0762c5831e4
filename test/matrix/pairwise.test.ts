import { describe, expect, it } from 'vitest'
import { pairwise } from './pairwise.ts'
import { AXES, cellName, runCell, type Cell } from './programs.ts'

describe('pairwise', () => {
  it('lets every two values of different axes meet', () => {
    const axes = { a: [1, 2, 3, 4, 5], b: ['x', 'y', 'z'], c: [0, 1], d: [0, 1] }
    const rows = pairwise(axes)
    const names = Object.keys(axes) as (keyof typeof axes)[]
    for (const one of names)
      for (const two of names)
        if (one !== two)
          for (const i of axes[one])
            for (const j of axes[two]) expect(rows.some((row) => row[one] === i && row[two] === j)).toBe(true)
    expect(rows.length).toBeLessThanOrEqual(18)
  })
})

describe('every program prints what it prints natively, whatever the machine', () => {
  const cells = pairwise(AXES) as unknown as Cell[]
  for (const program of AXES.program) {
    const own = cells.filter((cell) => cell.program === program)
    it(`${program}, in ${own.length} configurations of a pairwise cover`, () => {
      const wrong = own.map((cell) => [cellName(cell), runCell(cell).wrong]).filter(([, why]) => why !== null)
      expect(wrong).toEqual([])
    })
  }
})
