// What was found, as text.

import { cpus, loadavg, totalmem } from 'node:os'
import type { CallRow, Findings, Growth, Row, Size } from './measure.ts'

type Cell = string
/** A table with its columns aligned; all but the first right-aligned where `numbers` says so. */
function table(head: readonly Cell[], body: readonly (readonly Cell[])[], numbers: readonly number[]): string[] {
  const rows = [head, ...body]
  const widths = head.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  const line = (row: readonly Cell[]) =>
    `| ${row.map((cell, c) => (numbers.includes(c) ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!))).join(' | ')} |`
  const rule = widths.map((width, c) => (numbers.includes(c) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [line(head), `| ${rule.join(' | ')} |`, ...body.map(line)]
}

/** Three digits that matter, in the unit that suits. */
export function duration(ns: number): string {
  const [value, unit] = ns < 1e3 ? [ns, 'ns'] : ns < 1e6 ? [ns / 1e3, 'us'] : [ns / 1e6, 'ms']
  return `${digits(value)} ${unit}`
}
const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

function rowCells(row: Row): Cell[] {
  const wanted = row.wanted === undefined ? '' : `at most ${row.wanted}`
  if (row.ratio === null) return [row.what, duration(row.ns), row.yardstick, row.note ?? '', '', wanted]
  return [row.what, duration(row.ns), row.yardstick, duration(row.yardstickNs!), digits(row.ratio), wanted]
}

function growthLines({ what, unit, points }: Growth): string[] {
  const hasHost = points.some(({ hostNs }) => typeof hostNs === 'number')
  const body = points.map(({ size, ns, hostNs }, i) => {
    const before = points[i - 1]
    const grows = before === undefined ? '' : digits(Math.log(ns / before.ns) / Math.log(size / before.size))
    const host = hasHost ? [typeof hostNs === 'number' ? duration(hostNs) : ''] : []
    return [String(size), duration(ns), duration(ns / size), grows, ...host]
  })
  const head = [unit, what, 'for each', 'exponent', ...(hasHost ? [`${what}, host`] : [])]
  return table(head, body, [0, 1, 2, 3, 4])
}

const sizeCells = ({ what, bytes, wanted, note }: Size): Cell[] => [
  what,
  Math.abs(bytes) < 100 ? bytes.toFixed(1) : bytes.toFixed(0),
  wanted === undefined ? '' : `at most ${wanted}`,
  note ?? '',
]

/** Calls among other mappings: what each takes here, on the host, the ratio, and how both grow from first to last. */
function callLines(calls: readonly CallRow[]): string[] {
  if (calls.length === 0) return []
  const sizes = calls[0]!.points.map(({ size }) => size.toLocaleString('en'))
  const grown = (values: readonly (number | null)[]): Cell => {
    const [first, last] = [values[0]!, values.at(-1)!]
    return first === null || last === null ? '' : digits(last / first)
  }
  const body = calls.map(({ what, points }) => [
    what,
    ...points.flatMap(({ ns, hostNs }) => [
      duration(ns),
      hostNs === null ? '' : duration(hostNs),
      hostNs === null ? '' : digits(ns / hostNs),
    ]),
    grown(points.map(({ ns }) => ns)),
    grown(points.map(({ hostNs }) => hostNs)),
  ])
  const head = ['call', ...sizes.flatMap((size) => [`at ${size}`, 'host', 'ratio']), 'grows', 'host']
  return [
    '## Calls',
    '',
    `Each call on an address space with ${sizes.join(', ')} other mappings, at random places among them, beside the host's kernel.`,
    'Ratio: to the host. Grows: from the fewest mappings to the most.',
    '',
    ...table(head, body, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    '',
  ]
}

/** The page that `npm run bench` writes. */
export function resultsText(all: readonly Findings[], hostKernel: string): string {
  const rows = all.flatMap(({ rows }) => rows)
  const growths = all.flatMap(({ growths }) => growths ?? [])
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const speeds = rows
    .filter(({ what }) => what.startsWith('instruction'))
    .map(({ what, ns }) => `${digits(1e3 / ns)} million instructions per second: ${what.slice('instruction, '.length)}`)
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench`. Medians of processor time; absolute times belong to the machine, ratios to the program.',
    'Subject and yardstick run in turns, each subject in a process of its own. Wanted: the ratios that the project aims at.',
    '',
    `Machine: ${cpus().length} x ${processor}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${hostKernel}, Node ${process.versions.node}; load ${digits(loadavg()[0]!)} at the end.`,
    '',
    ...table(['operation', 'takes', 'beside', 'takes', 'ratio', 'wanted'], rows.map(rowCells), [1, 3, 4]),
    '',
    ...speeds.map((line) => `- ${line}`),
    '',
    ...callLines(all.flatMap(({ calls }) => calls ?? [])),
    '## Memory',
    '',
    ...table(['what', 'bytes', 'wanted', ''], all.flatMap(({ sizes }) => sizes ?? []).map(sizeCells), [1]),
    '',
    '## Growth',
    '',
    'Exponent: of the growth from the size before; 1 is proportional.',
    ...growths.flatMap((growth) => ['', ...growthLines(growth)]),
    '',
  ].join('\n')
}
