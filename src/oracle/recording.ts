// Sequences of commands that a real kernel was given, with its answers.

import { OracleWorld } from './world.ts'

/** A command and the answer to it. */
export type Op = readonly [command: string, answer: string]
export interface Sequence {
  readonly seq: number
  readonly profile: string
  readonly ops: readonly Op[]
}
/**
 * What is compared: 1 return values, errors, layouts and contents; 2 and which pages are resident, in smaps and mincore;
 * 3 and how many faults each command caused.
 */
export type Level = 1 | 2 | 3
export interface Difference {
  /** Index of the command that was answered otherwise. */
  readonly index: number
  readonly command: string
  readonly theirs: string
  readonly ours: string
  /** The layouts after it, theirs as far as it is known. */
  readonly theirMaps: string
  readonly ourMaps: string
}
export interface Replay {
  /** Commands that were compared, and those of them answered alike. */
  compared: number
  agreeing: number
  readonly differences: Difference[]
}

/** Reads a recording: one sequence in JSON a line. @throws Error in one line, naming the line */
export function parseRecording(text: string): Sequence[] {
  const lines = text.split('\n')
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      throw new Error(`line ${i + 1} is no JSON`)
    }
    if (!isSequence(value)) throw new Error(`line ${i + 1} is no sequence of commands and answers`)
    return [value]
  })
}
function isSequence(value: unknown): value is Sequence {
  if (typeof value !== 'object' || value === null) return false
  const { seq, profile, ops } = value as Record<string, unknown>
  const isOp = (op: unknown): boolean =>
    Array.isArray(op) && op.length === 2 && typeof op[0] === 'string' && typeof op[1] === 'string'
  return typeof seq === 'number' && typeof profile === 'string' && Array.isArray(ops) && ops.every(isOp)
}

/**
 * Gives a new world the commands of a sequence and compares the answers.
 *
 * @param most  differences after which it stops; the state has gone another way by then
 */
export function replay(sequence: Sequence, level: Level, most = 1): Replay {
  const world = new OracleWorld()
  const result: Replay = { compared: 0, agreeing: 0, differences: [] }
  let theirMaps = 'maps empty'
  for (const [index, [command, theirs]] of sequence.ops.entries()) {
    const ours = world.answer(command)
    if (command === 'maps') theirMaps = theirs
    if (!isCompared(command, level)) continue
    result.compared++
    if (comparable(ours, level) === comparable(theirs, level)) {
      result.agreeing++
      continue
    }
    const after = sequence.ops[index + 1]
    if (after?.[0] === 'maps') theirMaps = after[1]
    result.differences.push({ index, command, theirs, ours, theirMaps, ourMaps: world.answer('maps') })
    if (result.differences.length >= most) return result
  }
  world.verify()
  return result
}

const RESIDENCE = /^(?:child \d+ )*(?:smaps|mincore)\b/
export function isCompared(command: string, level: Level): boolean {
  return level >= 2 || !RESIDENCE.test(command)
}
/** An answer without what the level leaves out. Lazily freed pages never count: their number depends on the kernel's batches. */
export function comparable(answer: string, level: Level): string {
  const plain = answer.trimEnd().replace(/ lazy=\d+/g, '')
  return level >= 3 ? plain : plain.replace(/ f=\d+$/, '')
}

/** A difference for people: what went before, both answers (of listings the lines that differ), both layouts. */
export function describeDifference(sequence: Sequence, difference: Difference, context = 6): string {
  const { index, command, theirs, ours, theirMaps, ourMaps } = difference
  const before = sequence.ops.slice(Math.max(0, index - context), index)
  return [
    `sequence ${sequence.seq} (${sequence.profile}), command ${index}:`,
    ...before.filter(([c]) => c !== 'maps').map(([c, answer]) => `    ${c} => ${shortened(answer)}`),
    `    ${command}`,
    ...onlyIn(theirs, ours).map((part) => `  real  ${part}`),
    ...onlyIn(ours, theirs).map((part) => `  ours  ${part}`),
    ...(theirMaps === ourMaps
      ? [`  both  ${shortened(ourMaps)}`]
      : [
          ...onlyIn(theirMaps, ourMaps).map((part) => `  real maps  ${part}`),
          ...onlyIn(ourMaps, theirMaps).map((part) => `  our maps   ${part}`),
        ]),
  ].join('\n')
}
/** The parts of a listing that the other one lacks; anything else whole. */
function onlyIn(answer: string, other: string): string[] {
  const parts = (text: string): string[] => text.replace(/^(?:smaps|maps) /, '').split(';')
  if (!answer.includes(';') && !other.includes(';')) return [answer]
  const others = new Set(parts(other))
  return parts(answer).filter((part) => !others.has(part))
}
function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`
}
