// Sequences of random commands that the real kernel was given, with its answers (linux/README.md).

import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { OracleWorld } from './guest.ts'

export interface Sequence {
  readonly seq: number
  readonly profile: string
  readonly ops: readonly (readonly [string, string])[]
}
export interface Difference {
  readonly sequence: Sequence
  /** Index of the first command that was answered otherwise. */
  readonly index: number
  readonly ours: string
}

const DIRECTORY = new URL('linux/recordings/', import.meta.url)

export function readSequences(): Sequence[] {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.gz'))
  const lines = files.sort().flatMap((name) =>
    gunzipSync(readFileSync(new URL(name, DIRECTORY)))
      .toString('utf8')
      .trimEnd()
      .split('\n'),
  )
  return lines.map((line) => JSON.parse(line) as Sequence)
}

/** The first difference, or null. Lazily freed pages are not compared: their number depends on the kernel's batches. */
export function replay(sequence: Sequence): Difference | null {
  const world = new OracleWorld()
  for (const [index, [command, answer]] of sequence.ops.entries()) {
    const ours = world.answer(command)
    if (comparable(ours) !== comparable(answer)) return { sequence, index, ours }
  }
  world.verify()
  return null
}

function comparable(answer: string): string {
  return answer.trimEnd().replace(/ lazy=\d+/g, '')
}

/** The command, both answers, and what went before. */
export function describe({ sequence, index, ours }: Difference, context = 6): string {
  const before = sequence.ops
    .slice(Math.max(0, index - context), index)
    .map(([command, answer]) => `  ${command} => ${answer}`)
  const [command, answer] = sequence.ops[index]!
  return [
    `sequence ${sequence.seq} (${sequence.profile}), command ${index}:`,
    ...before,
    `  ${command}`,
    `    real ${answer}`,
    `    ours ${ours}`,
  ].join('\n')
}
