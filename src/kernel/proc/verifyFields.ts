// Reading the texts of /proc back, as programs do.

import { panic } from '../../base/index.ts'

/** Panics if what a file shows is not what was found. */
export function same(where: string, shown: number | string, found: number | string): void {
  if (shown !== found) panic('what /proc shows is so', `${where}: ${shown} shown, ${found} found`)
}

/** The numbers of lines `Name: 12 kB` and `name 12`. */
export function fieldsOf(text: string): Map<string, number> {
  const fields = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^([\w()]+):?\s+(-?\d+)(?: kB)?$/.exec(line)
    if (found !== null) fields.set(found[1]!, Number(found[2]))
  }
  return fields
}

/** The numbers of zoneinfo, summed over zones. `pages free` is 'free', `count:` of the pagesets 'count'. */
export function zoneinfoFields(text: string): Map<string, number> {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^ {2,}(?:pages )?(\w+):? +(\d+)$/.exec(line)
    if (found !== null) sums.set(found[1]!, (sums.get(found[1]!) ?? 0) + Number(found[2]))
  }
  return sums
}

/** One entry of smaps. */
export interface SmapsEntry {
  /** The line of maps. */
  readonly header: string
  readonly start: number
  readonly end: number
  readonly perms: string
  readonly fields: ReadonlyMap<string, number>
  readonly codes: ReadonlySet<string>
}
export function smapsEntries(text: string): SmapsEntry[] {
  return text
    .split(/^(?=[\da-f]{8,}-)/m)
    .filter((part) => part !== '')
    .map((part) => {
      const header = part.slice(0, part.indexOf('\n'))
      const [, start, end, perms] = /^([\da-f]+)-([\da-f]+) (\S+)/.exec(header)!
      const codes = /^VmFlags: (.*) $/m.exec(part)?.[1]!.split(' ') ?? []
      return {
        header,
        start: Number.parseInt(start!, 16),
        end: Number.parseInt(end!, 16),
        perms: perms!,
        fields: fieldsOf(part.slice(header.length + 1)),
        codes: new Set(codes),
      }
    })
}
