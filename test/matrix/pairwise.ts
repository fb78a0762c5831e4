/** Values of each axis by name. */
export type Axes = Readonly<Record<string, readonly (string | number)[]>>

/**
 * A small set of combinations in which every two values of different axes meet at least once. Greedy: each row takes
 * a pair not yet met, and fills the other axes with the values that meet the most new ones. Always the same rows.
 */
export function pairwise(axes: Axes): Record<string, string | number>[] {
  const names = Object.keys(axes)
  const key = (a: number, i: number, b: number, j: number) => (a < b ? `${a}:${i}/${b}:${j}` : `${b}:${j}/${a}:${i}`)
  const missing = new Set<string>()
  names.forEach((_, a) => {
    for (let b = a + 1; b < names.length; b++)
      for (let i = 0; i < axes[names[a]!]!.length; i++)
        for (let j = 0; j < axes[names[b]!]!.length; j++) missing.add(key(a, i, b, j))
  })
  const rows: Record<string, string | number>[] = []
  while (missing.size > 0) {
    const [first] = missing
    const row = new Map(first!.split('/').map((half) => half.split(':').map(Number) as [number, number]))
    names.forEach((name, axis) => {
      if (row.has(axis)) return
      let best = 0
      let bestGain = -1
      axes[name]!.forEach((_, i) => {
        // Begin at another value in each row, so that ties do not all go to the first one.
        const value = (i + rows.length) % axes[name]!.length
        let gain = 0
        for (const [other, j] of row) if (missing.has(key(axis, value, other, j))) gain++
        if (gain <= bestGain) return
        best = value
        bestGain = gain
      })
      row.set(axis, best)
    })
    for (const [a, i] of row) for (const [b, j] of row) if (a !== b) missing.delete(key(a, i, b, j))
    rows.push(Object.fromEntries(names.map((name, axis) => [name, axes[name]![row.get(axis)!]!])))
  }
  return rows
}
