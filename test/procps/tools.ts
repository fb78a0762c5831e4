// What the tools of procps print, as numbers.

/** A table under headings of one word each, as `free` and `vmstat` print it: rows by heading. */
export function columns(heading: string, row: string): Record<string, number> {
  const names = heading.trim().split(/\s+/)
  const values = row.replace(/^\w+:/, '').trim().split(/\s+/)
  return Object.fromEntries(names.map((name, i) => [name, Number(values[i])]))
}

/** `free -w`: the row of memory. */
export function readFree(text: string): Record<string, number> {
  const [heading, row] = text.split('\n')
  return columns(heading!, row!)
}
/** `vmstat`: the row of numbers. */
export function readVmstat(text: string): Record<string, number> {
  const [, heading, row] = text.split('\n')
  return columns(heading!, row!)
}
/** `vmstat -s`: numbers by their words. */
export function readVmstatSums(text: string): Record<string, number> {
  const rows = text.matchAll(/^ *(\d+) (?:K )?(.+)$/gm)
  return Object.fromEntries([...rows].map(([, value, name]) => [name, Number(value)]))
}

/** `pmap -x`: one row for each mapping, in KiB, and the last line's sums. */
export function readPmap(text: string) {
  const row = /^([0-9a-f]{16}) +(\d+) +(\d+) +(\d+) (\S{5}) +(.*)$/gm
  const sums = /^total kB +(\d+) +(\d+) +(\d+)$/m.exec(text)!
  return {
    rows: [...text.matchAll(row)].map(([, start, size, rss, dirty, mode, mapping]) => ({
      start: parseInt(start!, 16),
      size: Number(size),
      rss: Number(rss),
      dirty: Number(dirty),
      mode: mode!,
      mapping: mapping!,
    })),
    total: { size: Number(sums[1]), rss: Number(sums[2]), dirty: Number(sums[3]) },
  }
}

/** `pmap -X`: each mapping by the names of the columns; words stay text. */
export function readWidePmap(text: string): Record<string, string>[] {
  const [, heading, ...rest] = text.split('\n')
  const names = heading!.trim().split(/\s+/)
  const rows = rest.slice(
    0,
    rest.findIndex((line) => line.includes('====')),
  )
  return rows.map((line) => {
    const words = line.trim().split(/\s+/)
    return Object.fromEntries(names.map((name, i) => [name, words[i] ?? '']))
  })
}

/** The mappings of an smaps text: the fields that are numbers, and the first words of the line above them. */
export function readSmaps(text: string): Record<string, string | undefined>[] {
  return text
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((part) => part !== '')
    .map((part) => {
      const [, Address, Perm, Offset, Device, Inode] = /^(\S+)-\S+ (\S+) (\S+) (\S+) (\d+)/.exec(part)!
      const fields = [...part.matchAll(/^(\w+): +(\d+)(?: kB)?$/gm)].map(([, name, value]) => [name, value])
      return { Address, Perm, Offset, Device, Inode, ...Object.fromEntries(fields) }
    })
}
