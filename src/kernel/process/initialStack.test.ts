import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Rng } from '../../base/index.ts'
import { ROOT } from '../file/index.ts'
import { fullCredentials } from './credentials.ts'
import { argumentBytes, AT_EXECFN, AT_PAGESZ, AT_RANDOM, buildInitialStack } from './initialStack.ts'

const TOP = 2 ** 38
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Reads a stack as the start code of a C library does. */
function readStack(sp: number, bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const word = (at: number): number => Number(view.getBigUint64(at - sp, true))
  const text = (at: number): string => {
    const from = at - sp
    return new TextDecoder().decode(bytes.subarray(from, bytes.indexOf(0, from)))
  }
  let at = sp
  const argc = word(at)
  const list = (): string[] => {
    const found: string[] = []
    for (at += 8; word(at) !== 0; at += 8) found.push(text(word(at)))
    return found
  }
  const argv = list()
  const env = list()
  const aux = new Map<number, number>()
  for (at += 8; word(at) !== 0; at += 16) aux.set(word(at), word(at + 8))
  return { argc, argv, env, aux, text, end: at + 16 }
}

describe('buildInitialStack', () => {
  it('holds what the program was given, for any strings, at an aligned stack pointer', () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9=/._ -]{0,40}$/)
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), fc.array(word, { maxLength: 20 }), word, (argv, env, name) => {
        const stack = buildInitialStack(
          TOP,
          {
            argv: argv.map(bytesOf),
            env: env.map(bytesOf),
            fileName: bytesOf(name),
            phdr: 0x10040,
            phnum: 7,
            base: 0,
            entry: 0x10200,
            who: fullCredentials(ROOT),
            isSecure: false,
          },
          new Rng(1),
        )
        expect(stack.sp % 16).toBe(0)
        expect(stack.sp + stack.bytes.length).toBe(TOP)
        const seen = readStack(stack.sp, stack.bytes)
        expect(seen).toMatchObject({ argc: argv.length, argv, env })
        expect(seen.text(seen.aux.get(AT_EXECFN)!)).toBe(name)
        expect(seen.aux.get(AT_PAGESZ)).toBe(4096)
        const random = seen.aux.get(AT_RANDOM)!
        expect(random % 16 === 0 && random >= seen.end && random + 16 <= stack.argStart).toBe(true)
        expect(stack.argEnd - stack.argStart).toBe(argv.reduce((sum, text) => sum + text.length + 1, 0))
        expect(stack.envEnd - stack.argEnd).toBe(env.reduce((sum, text) => sum + text.length + 1, 0))
        expect([...stack.bytes.subarray(-8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
        // execve counts strings, their ends and their pointers.
        expect(argumentBytes(argv.map(bytesOf), env.map(bytesOf))).toBe(
          stack.envEnd - stack.argStart + 8 * (argv.length + env.length),
        )
      }),
      { numRuns: 300, seed: 1 },
    )
  })
})
