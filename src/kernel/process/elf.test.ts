import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { E2BIG, ENOEXEC, ENOMEM, MiB } from '../../base/index.ts'
import {
  type ElfError,
  elfErrorLine,
  type ElfLimits,
  isElfError,
  parseElf,
  PF_R,
  PF_W,
  PF_X,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from './elf.ts'

const LIMITS: ElfLimits = { minAddress: 4096, maxAddress: 2 ** 38, memoryBytes: 64 * MiB }

interface Phdr {
  type: number
  flags?: number
  offset?: number
  vaddr?: number
  filesz?: number
  memsz?: number
  align?: number
}
const TEXT: Phdr = { type: PT_LOAD, flags: PF_R | PF_X, offset: 0, vaddr: 0x10000, filesz: 0x800, memsz: 0x800 }
const DATA: Phdr = { type: PT_LOAD, flags: PF_R | PF_W, offset: 0x800, vaddr: 0x11800, filesz: 0x100, memsz: 0x300 }

/** A small, correct program; `patch` may break it. */
function program(phdrs: Phdr[] = [TEXT, DATA], patch: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(0x1000)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 243, true)
  view.setBigUint64(24, 0x10200n, true)
  view.setBigUint64(32, 64n, true)
  view.setUint32(48, 5, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, phdrs.length, true)
  phdrs.forEach((p, i) => {
    const at = 64 + 56 * i
    view.setUint32(at, p.type, true)
    view.setUint32(at + 4, p.flags ?? 0, true)
    const fields = [p.offset, p.vaddr, p.vaddr, p.filesz, p.memsz, p.align ?? 4096]
    fields.forEach((n, k) => view.setBigUint64(at + 8 + 8 * k, BigInt(n ?? 0), true))
  })
  patch(view)
  return bytes
}
function errorOf(bytes: Uint8Array): ElfError {
  const parsed = parseElf(bytes, LIMITS, 'prog')
  if (!isElfError(parsed)) throw new Error('the file was accepted')
  return parsed
}

describe('parseElf', () => {
  it('describes the segments of a program', () => {
    const image = parseElf(program([TEXT, DATA, { type: PT_GNU_STACK, flags: PF_R | PF_W | PF_X }]), LIMITS)
    expect(image).toMatchObject({
      isPositionIndependent: false,
      entry: 0x10200,
      phdrAddress: 0x10040,
      interpreter: null,
      hasExecutableStack: true,
      start: 0x10000,
      end: 0x12000,
      align: 4096,
      segments: [
        { address: 0x10000, fileBytes: 0x800, prot: 5 },
        { address: 0x11800, fileBytes: 0x100, memoryBytes: 0x300, prot: 3 },
      ],
    })
  })
  it('finds a shell script, an empty file and text to be no ELF file', () => {
    expect(errorOf(new Uint8Array(0))).toMatchObject({ kind: 'not ELF', offset: 0, errno: ENOEXEC })
    expect(errorOf(new TextEncoder().encode('#!/bin/sh\n')).text).toContain('script')
    expect(elfErrorLine(errorOf(new TextEncoder().encode('hello, world')))).toBe(
      'prog: not ELF at offset 0x0: it begins with 68 65 6c 6c instead of 7f 45 4c 46',
    )
  })

  const cases: [string, () => Uint8Array, Partial<ElfError>, RegExp][] = [
    ['a short header', () => program().subarray(0, 40), { kind: 'truncated', offset: 40 }, /64 bytes/],
    ['32 bits', () => program(undefined, (v) => v.setUint8(4, 1)), { kind: 'wrong machine', offset: 4 }, /64-bit/],
    ['big endian', () => program(undefined, (v) => v.setUint8(5, 2)), { kind: 'wrong machine', offset: 5 }, /little/],
    [
      'another machine',
      () => program(undefined, (v) => v.setUint16(18, 62, true)),
      { kind: 'wrong machine', offset: 18 },
      /x86-64/,
    ],
    [
      'an object file',
      () => program(undefined, (v) => v.setUint16(16, 1, true)),
      { kind: 'wrong type', offset: 16 },
      /not linked/,
    ],
    ['no program headers', () => program([]), { kind: 'bad header', offset: 56 }, /no program headers/],
    [
      'a strange header size',
      () => program(undefined, (v) => v.setUint16(54, 32, true)),
      { kind: 'bad header', offset: 54 },
      /56 bytes/,
    ],
    [
      'too many headers',
      () => program(undefined, (v) => v.setUint16(56, 60000, true)),
      { kind: 'bad header', offset: 56 },
      /64 KiB/,
    ],
    [
      'a table beyond the end',
      () => program(undefined, (v) => v.setBigUint64(32, 0xfffn, true)),
      { kind: 'truncated', offset: 32 },
      /beyond/,
    ],
    [
      'a huge table offset',
      () => program(undefined, (v) => v.setBigUint64(32, 2n ** 64n - 1n, true)),
      { kind: 'truncated', offset: 32 },
      /beyond/,
    ],
    ['nothing to load', () => program([{ type: PT_GNU_STACK }]), { kind: 'bad program header' }, /no segment/],
    [
      'a segment beyond the file',
      () => program([{ ...TEXT, filesz: 0x2000, memsz: 0x2000 }]),
      { kind: 'truncated', offset: 72 },
      /0x2000, the file at 0x1000/,
    ],
    [
      'more file than memory',
      () => program([{ ...TEXT, memsz: 0x100 }]),
      { kind: 'bad segment', offset: 96 },
      /only 0x100 in memory/,
    ],
    [
      'overlapping segments',
      () => program([TEXT, { ...DATA, offset: 0x400, vaddr: 0x10400 }]),
      { kind: 'overlap', offset: 136 },
      /inside segment 0/,
    ],
    [
      'a segment beyond the address space',
      () => program([TEXT, { ...DATA, vaddr: 2 ** 40 + 0x800 }]),
      { kind: 'bad segment', offset: 136 },
      /beyond the address space/,
    ],
    [
      'a segment at page 0',
      () => program([{ ...TEXT, vaddr: 0 }]),
      { kind: 'bad segment', offset: 80 },
      /lowest address/,
    ],
    ['an alignment of 3', () => program([{ ...TEXT, align: 3 }]), { kind: 'bad segment', offset: 112 }, /power of two/],
    [
      'different places in a page',
      () => program([TEXT, { ...DATA, vaddr: 0x11900 }]),
      { kind: 'bad segment', offset: 128 },
      /different places/,
    ],
    [
      'an entry in no segment',
      () => program(undefined, (v) => v.setBigUint64(24, 0x50000n, true)),
      { kind: 'bad entry', offset: 24 },
      /no segment/,
    ],
    [
      'an entry in data',
      () => program(undefined, (v) => v.setBigUint64(24, 0x11800n, true)),
      { kind: 'bad entry', offset: 24 },
      /not executable/,
    ],
    [
      'an odd entry',
      () => program(undefined, (v) => v.setBigUint64(24, 0x10201n, true)),
      { kind: 'bad entry', offset: 24 },
      /odd/,
    ],
    [
      'a program larger than memory',
      () => program([TEXT, { ...DATA, memsz: 65 * MiB }]),
      { kind: 'too large', errno: ENOMEM },
      /needs? .* the machine has/,
    ],
    [
      'quad floating point',
      () => program(undefined, (v) => v.setUint32(48, 6, true)),
      { kind: 'wrong machine', offset: 48 },
      /quad/,
    ],
  ]
  it.each(cases)('refuses %s, naming the field', (_name, make, expected, text) => {
    const error = errorOf(make())
    expect(error).toMatchObject(expected)
    expect(error.text).toMatch(text)
  })
  it('refuses a bad name of the interpreter', () => {
    const interp = (name: string): Phdr[] => [TEXT, { type: PT_INTERP, offset: 0x600, filesz: name.length }]
    const put = (name: string) => (v: DataView) => new Uint8Array(v.buffer).set(new TextEncoder().encode(name), 0x600)
    expect(errorOf(program(interp('/lib/ld'), put('/lib/ld')))).toMatchObject({ kind: 'interpreter', offset: 0x606 })
    expect(errorOf(program(interp('\0\0'), put('\0\0')))).toMatchObject({ kind: 'interpreter', offset: 0x600 })
    expect(isElfError(parseElf(program(interp('/lib/ld\0'), put('/lib/ld\0')), LIMITS))).toBe(false)
  })
  it('answers every file with a description that keeps its promises, or with an error that has a place in it', () => {
    const edit = fc.tuple(
      fc.nat({ max: 64 + 2 * 56 + 16 }),
      fc.constantFrom(1, 2, 4, 8),
      fc.oneof(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.constantFrom(0n, 1n, 0xffffffffffffffffn, 0x7fffffffffffffffn, 0x10000n, 0x1000n),
      ),
    )
    const mutation = fc.record({
      edits: fc.array(edit, { maxLength: 6 }),
      keep: fc.nat({ max: 0x1000 }),
      cut: fc.boolean(),
    })
    fc.assert(
      fc.property(mutation, ({ edits, keep, cut }) => {
        const whole = program(undefined, (view) => {
          for (const [at, width, value] of edits) {
            for (let i = 0; i < width; i++) view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn))
          }
        })
        const bytes = cut ? whole.subarray(0, keep) : whole
        const image = parseElf(bytes, LIMITS)
        if (isElfError(image)) {
          expect(image.offset === null || (image.offset >= 0 && image.offset <= bytes.length + 56)).toBe(true)
          expect(elfErrorLine(image)).not.toContain('\n')
          expect(image.errno === ENOEXEC || image.errno === ENOMEM || image.errno === E2BIG).toBe(true)
          return
        }
        let end = 0
        for (const s of image.segments) {
          expect(s.address).toBeGreaterThanOrEqual(end)
          end = s.address + s.memoryBytes
          expect(s.fileBytes).toBeLessThanOrEqual(s.memoryBytes)
          if (s.fileBytes > 0) expect(s.offset + s.fileBytes).toBeLessThanOrEqual(bytes.length)
        }
        expect(end).toBeLessThanOrEqual(LIMITS.maxAddress)
        expect(image.segments.some((s) => image.entry >= s.address && image.entry < s.address + s.memoryBytes)).toBe(
          true,
        )
      }),
      { numRuns: 5000, seed: 1 },
    )
  })
})
