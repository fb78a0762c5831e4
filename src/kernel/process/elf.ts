// ELF files: what they say, and whether it can be true. Pure: bytes in, a description or a typed error out.
//
//   0                     e_phoff
//   [ header, 64 bytes ] … [ program headers, 56 bytes each ] … bytes of the segments
//
// Every field that is used is checked here, so that nothing later meets a surprise.

import { ELIBBAD, ENOENT, ENOEXEC, ENOMEM, type Err, errName, PAGE_SIZE } from '../../base/index.ts'

export type ElfErrorKind =
  | 'not ELF'
  | 'truncated'
  | 'wrong machine'
  | 'wrong type'
  | 'bad header'
  | 'bad program header'
  | 'bad segment'
  | 'overlap'
  | 'bad entry'
  | 'interpreter'
  | 'too large'

/** What is wrong with a program file: one clear line for a person, and an errno for execve. */
export interface ElfError {
  readonly kind: ElfErrorKind
  /** The file that is at fault, as it was named: the program or its interpreter. */
  readonly file: string
  /** Byte offset in the file of the field or byte that is wrong, or null where there is none. */
  readonly offset: number | null
  readonly text: string
  readonly errno: Err
}
export function isElfError(x: unknown): x is ElfError {
  return typeof x === 'object' && x !== null && 'kind' in x && 'errno' in x
}
/** "FILE: bad segment at offset 0x78: segment 1 …" */
export function elfErrorLine(error: ElfError): string {
  const where = error.offset === null ? '' : ` at offset 0x${error.offset.toString(16)}`
  return `${error.file}: ${error.kind}${where}: ${error.text}`
}

export const ET_EXEC = 2
export const ET_DYN = 3
export const EM_RISCV = 243
export const PT_LOAD = 1
export const PT_DYNAMIC = 2
export const PT_INTERP = 3
export const PT_PHDR = 6
export const PT_TLS = 7
export const PT_GNU_STACK = 0x6474e551
export const PF_X = 1
export const PF_W = 2
export const PF_R = 4

export const ELF_HEADER_BYTES = 64
export const PHDR_BYTES = 56
const PHDR_TABLE_MAX = 65536
const INTERP_MAX = 4096

/** The header, checked. */
export interface ElfHeader {
  readonly isPositionIndependent: boolean
  /** e_entry, before the load bias. */
  readonly entry: number
  readonly phoff: number
  readonly phnum: number
}
/** A PT_LOAD, checked. Addresses before the load bias. */
export interface ElfSegment {
  readonly offset: number
  readonly fileBytes: number
  readonly address: number
  readonly memoryBytes: number
  /** PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
  readonly prot: number
  readonly align: number
}
export interface ElfImage extends ElfHeader {
  /** In ascending order of address. */
  readonly segments: readonly ElfSegment[]
  /** Address of the program headers in memory, before the bias; 0 if no segment holds them. */
  readonly phdrAddress: number
  readonly interpreter: { readonly offset: number; readonly length: number } | null
  readonly hasExecutableStack: boolean
  /** Largest p_align of a segment, at least a page. */
  readonly align: number
  /** Page-aligned span of all segments. */
  readonly start: number
  readonly end: number
}
export interface ElfLimits {
  /** Lowest and first-too-high address of a program. */
  readonly minAddress: number
  readonly maxAddress: number
  /** All of RAM: a program that needs more cannot be loaded. */
  readonly memoryBytes: number
}

/** Errors about one file. */
export class ElfComplaint {
  readonly file: string
  readonly #errno: Err
  constructor(file: string, isInterpreter = false) {
    this.file = file
    this.#errno = isInterpreter ? ELIBBAD : ENOEXEC
  }
  error(kind: ElfErrorKind, offset: number | null, text: string, errno = this.#errno): ElfError {
    return { kind, file: this.file, offset, text, errno }
  }
}

const RISCV_FLOAT_ABI = 6
/** Names for the machines one meets. */
const MACHINES = new Map([
  [3, 'x86'],
  [8, 'MIPS'],
  [20, 'PowerPC'],
  [21, 'PowerPC64'],
  [22, 'S390'],
  [40, 'ARM'],
  [62, 'x86-64'],
  [183, 'AArch64'],
  [243, 'RISC-V'],
  [258, 'LoongArch'],
])
const hex = (n: number): string => `0x${n.toString(16)}`
const hexAt = (view: DataView, at: number): string => `0x${view.getBigUint64(at, true).toString(16)}`
/** Exact below 2^53; whoever uses a larger one says so with `hexAt`. */
const u64 = (view: DataView, at: number): number => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)

/**
 * The header of an ELF file.
 *
 * @param bytes      its first 64 bytes, or all if it has fewer
 * @param fileBytes  its length
 * @manual elf(5)
 */
export function parseElfHeader(bytes: Uint8Array, fileBytes: number, complaint: ElfComplaint): ElfHeader | ElfError {
  const isElf = bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  if (!isElf) return complaint.error('not ELF', 0, notElfText(bytes, fileBytes))
  if (bytes.length < ELF_HEADER_BYTES)
    return complaint.error('truncated', fileBytes, `the header is ${ELF_HEADER_BYTES} bytes, the file ${fileBytes}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes[4] !== 2) return complaint.error('wrong machine', 4, `a 64-bit file is needed, its class is ${bytes[4]}`)
  if (bytes[5] !== 1)
    return complaint.error('wrong machine', 5, `little endian is needed, its data order is ${bytes[5]}`)
  if (bytes[6] !== 1) return complaint.error('bad header', 6, `the ELF version is ${bytes[6]}, not 1`)
  const machine = view.getUint16(18, true)
  if (machine !== EM_RISCV) {
    const name = MACHINES.get(machine) ?? `machine ${machine}`
    return complaint.error('wrong machine', 18, `a RISC-V program is needed, this one is for ${name}`)
  }
  const type = view.getUint16(16, true)
  if (type !== ET_EXEC && type !== ET_DYN) {
    const names = ['no type', 'an object file that is not linked', '', '', 'a core dump']
    return complaint.error('wrong type', 16, `it is ${names[type] ?? `type ${type}`}, not a program`)
  }
  const flags = view.getUint32(48, true)
  if ((flags & RISCV_FLOAT_ABI) === RISCV_FLOAT_ABI)
    return complaint.error('wrong machine', 48, 'it needs quad-precision floating point')
  if ((flags & 8) !== 0) return complaint.error('wrong machine', 48, 'it uses the RV32E/RV64E registers')
  const phentsize = view.getUint16(54, true)
  if (phentsize !== PHDR_BYTES)
    return complaint.error('bad header', 54, `a program header is ${PHDR_BYTES} bytes, this file says ${phentsize}`)
  const phnum = view.getUint16(56, true)
  if (phnum === 0) return complaint.error('bad header', 56, 'it has no program headers')
  if (phnum * PHDR_BYTES > PHDR_TABLE_MAX)
    return complaint.error('bad header', 56, `it has ${phnum} program headers, more than 64 KiB of them`)
  const phoff = u64(view, 32)
  if (phoff + phnum * PHDR_BYTES > fileBytes)
    return complaint.error(
      'truncated',
      32,
      `the program headers at ${hexAt(view, 32)} end beyond the file's ${hex(fileBytes)} bytes`,
    )
  const entry = u64(view, 24)
  if (!Number.isSafeInteger(entry))
    return complaint.error('bad entry', 24, `the entry ${hexAt(view, 24)} lies in no segment`)
  return { isPositionIndependent: type === ET_DYN, entry, phoff, phnum }
}

function notElfText(bytes: Uint8Array, fileBytes: number): string {
  if (fileBytes === 0) return 'the file is empty'
  if (bytes[0] === 0x23 && bytes[1] === 0x21) return 'it is a script'
  const shown = [...bytes.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ')
  return `it begins with ${shown} instead of 7f 45 4c 46`
}

/** The 64-bit words of a program header that are used: offset in it, name. */
const SEGMENT_WORDS: readonly (readonly [number, string])[] = [
  [8, 'file offset'],
  [16, 'address'],
  [32, 'size in the file'],
  [40, 'size in memory'],
  [48, 'alignment'],
]

/**
 * The program headers of a file whose header has been read.
 *
 * @param table  phnum x 56 bytes from phoff
 */
export function parseElfSegments(
  header: ElfHeader,
  table: Uint8Array,
  fileBytes: number,
  limits: ElfLimits,
  complaint: ElfComplaint,
): ElfImage | ElfError {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const loads: (ElfSegment & { index: number; at: number })[] = []
  let interpreter: ElfImage['interpreter'] = null
  let hasExecutableStack = false
  let phdr = -1
  for (let index = 0; index < header.phnum; index++) {
    const base = index * PHDR_BYTES
    const at = header.phoff + base
    const type = view.getUint32(base, true)
    const offset = u64(view, base + 8)
    const fileSize = u64(view, base + 32)
    if (type === PT_GNU_STACK) hasExecutableStack = (view.getUint32(base + 4, true) & PF_X) !== 0
    if (type === PT_PHDR) phdr = u64(view, base + 16)
    if (type === PT_INTERP && interpreter === null) {
      if (fileSize < 2) return complaint.error('interpreter', at + 32, 'the name of the interpreter is empty')
      if (fileSize > INTERP_MAX)
        return complaint.error('interpreter', at + 32, `the name of the interpreter is longer than ${INTERP_MAX} bytes`)
      if (offset + fileSize > fileBytes)
        return complaint.error('truncated', at + 8, `the name of the interpreter lies beyond the end of the file`)
      interpreter = { offset, length: fileSize }
    }
    if (type !== PT_LOAD) continue
    for (const [field, name] of SEGMENT_WORDS) {
      if (!Number.isSafeInteger(u64(view, base + field)))
        return complaint.error(
          'bad segment',
          at + field,
          `segment ${index} has the ${name} ${hexAt(view, base + field)}, beyond all bounds`,
        )
    }
    const segment = {
      index,
      at,
      offset,
      fileBytes: fileSize,
      address: u64(view, base + 16),
      memoryBytes: u64(view, base + 40),
      prot: protOf(view.getUint32(base + 4, true)),
      align: u64(view, base + 48),
    }
    const wrong = checkSegment(segment, header, fileBytes, limits, complaint)
    if (wrong !== null) return wrong
    if (segment.memoryBytes > 0) loads.push(segment)
  }
  if (loads.length === 0) return complaint.error('bad program header', header.phoff, 'no segment is to be loaded')
  loads.sort((a, b) => a.address - b.address)
  const wrong = checkTogether(loads, header, limits, complaint)
  if (wrong !== null) return wrong

  const holder = loads.find((s) => s.offset <= header.phoff && header.phoff < s.offset + s.fileBytes)
  const last = loads.at(-1)!
  return {
    ...header,
    segments: loads,
    phdrAddress: phdr >= 0 ? phdr : holder === undefined ? 0 : holder.address + header.phoff - holder.offset,
    interpreter,
    hasExecutableStack,
    align: loads.reduce((most, { align }) => Math.max(most, align), PAGE_SIZE),
    start: Math.floor(loads[0]!.address / PAGE_SIZE) * PAGE_SIZE,
    end: Math.ceil((last.address + last.memoryBytes) / PAGE_SIZE) * PAGE_SIZE,
  }
}

/** PF_R 4, PF_W 2, PF_X 1 as PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
function protOf(flags: number): number {
  return ((flags & PF_R) !== 0 ? 1 : 0) | ((flags & PF_W) !== 0 ? 2 : 0) | ((flags & PF_X) !== 0 ? 4 : 0)
}

function checkSegment(
  s: ElfSegment & { index: number; at: number },
  header: ElfHeader,
  fileBytes: number,
  limits: ElfLimits,
  complaint: ElfComplaint,
): ElfError | null {
  const name = `segment ${s.index}`
  if (s.fileBytes > s.memoryBytes)
    return complaint.error(
      'bad segment',
      s.at + 32,
      `${name} has ${hex(s.fileBytes)} bytes in the file and only ${hex(s.memoryBytes)} in memory`,
    )
  if (s.fileBytes > 0 && s.offset + s.fileBytes > fileBytes)
    return complaint.error(
      'truncated',
      s.at + 8,
      `${name} ends at ${hex(s.offset + s.fileBytes)}, the file at ${hex(fileBytes)}`,
    )
  if (s.memoryBytes === 0) return null
  if (s.address + s.memoryBytes > limits.maxAddress)
    return complaint.error(
      'bad segment',
      s.at + 16,
      `${name} ends beyond the address space, at ${hex(s.address + s.memoryBytes)}`,
    )
  if (!header.isPositionIndependent && s.address < limits.minAddress)
    return complaint.error('bad segment', s.at + 16, `${name} begins below the lowest address, at ${hex(s.address)}`)
  if (s.align > 1 && (s.align > limits.maxAddress || !isPowerOfTwo(s.align)))
    return complaint.error('bad segment', s.at + 48, `${name} has the alignment ${hex(s.align)}, no power of two`)
  if (s.fileBytes > 0 && s.offset % PAGE_SIZE !== s.address % PAGE_SIZE)
    return complaint.error(
      'bad segment',
      s.at + 8,
      `${name} lies at ${hex(s.offset)} in the file and ${hex(s.address)} in memory, at different places in a page`,
    )
  return null
}
const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n))

/** What no segment can tell alone; `loads` in ascending order of address. */
function checkTogether(
  loads: readonly (ElfSegment & { index: number; at: number })[],
  header: ElfHeader,
  limits: ElfLimits,
  complaint: ElfComplaint,
): ElfError | null {
  for (let i = 1; i < loads.length; i++) {
    const low = loads[i - 1]!
    const high = loads[i]!
    if (low.address + low.memoryBytes > high.address)
      return complaint.error(
        'overlap',
        high.at + 16,
        `segment ${high.index} begins at ${hex(high.address)}, inside segment ${low.index}`,
      )
  }
  const needed = loads.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
  if (needed > limits.memoryBytes)
    return complaint.error(
      'too large',
      loads.at(-1)!.at + 40,
      `its segments need ${needed} bytes, the machine has ${limits.memoryBytes}`,
      ENOMEM,
    )
  const home = loads.find((s) => header.entry >= s.address && header.entry < s.address + s.memoryBytes)
  if (home === undefined) return complaint.error('bad entry', 24, `the entry ${hex(header.entry)} lies in no segment`)
  if ((home.prot & 4) === 0)
    return complaint.error(
      'bad entry',
      24,
      `the entry ${hex(header.entry)} lies in segment ${home.index}, which is not executable`,
    )
  if (header.entry % 2 !== 0) return complaint.error('bad entry', 24, `the entry ${hex(header.entry)} is odd`)
  return null
}

/** Header and segments of a file that is wholly in memory. */
export function parseElf(bytes: Uint8Array, limits: ElfLimits, file = 'program'): ElfImage | ElfError {
  const complaint = new ElfComplaint(file)
  const header = parseElfHeader(bytes.subarray(0, ELF_HEADER_BYTES), bytes.length, complaint)
  if (isElfError(header)) return header
  const table = bytes.subarray(header.phoff, header.phoff + header.phnum * PHDR_BYTES)
  const image = parseElfSegments(header, table, bytes.length, limits, complaint)
  if (isElfError(image) || image.interpreter === null) return image
  const { offset, length } = image.interpreter
  const name = interpreterName(bytes.subarray(offset, offset + length), offset, complaint)
  return typeof name === 'string' ? image : name
}

/** The name in PT_INTERP: at least one byte and a final NUL. */
export function interpreterName(bytes: Uint8Array, offset: number, complaint: ElfComplaint): string | ElfError {
  if (bytes.at(-1) !== 0)
    return complaint.error(
      'interpreter',
      offset + bytes.length - 1,
      'the name of the interpreter does not end with NUL',
    )
  const end = bytes.indexOf(0)
  if (end === 0) return complaint.error('interpreter', offset, 'the name of the interpreter is empty')
  return String.fromCharCode(...bytes.subarray(0, end))
}

/** The interpreter of a program or script cannot be opened. */
export function noInterpreter(complaint: ElfComplaint, offset: number, interpreter: string, why: Err): ElfError {
  const problem = why === ENOENT ? 'is not there' : `cannot be opened: ${errName(why)}`
  return complaint.error('interpreter', offset, `its interpreter ${interpreter} ${problem}`, why)
}
