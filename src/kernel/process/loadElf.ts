// From a program file to mappings (Linux specification 3.4).

import { isErr, type OrErr, PAGE_SIZE, roundPage, type Err, type Sleep, truncPage } from '../../base/index.ts'
import { type OpenFile, readBytes } from '../file/index.ts'
import { findSpace, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, mmapRegion, type VmSpace } from '../map/index.ts'
import {
  ELF_HEADER_BYTES,
  type ElfComplaint,
  type ElfError,
  type ElfImage,
  type ElfLimits,
  isElfError,
  parseElfHeader,
  parseElfSegments,
  PHDR_BYTES,
} from './elf.ts'
import { copyOut } from './userCopy.ts'

/** Reads and checks what an open file says about itself. */
export function* readElf(file: OpenFile, limits: ElfLimits, complaint: ElfComplaint): Sleep<ElfImage | ElfError | Err> {
  const fileBytes = file.vnode.size
  const head = yield* readBytes(file, 0, ELF_HEADER_BYTES)
  if (isErr(head)) return head
  const header = parseElfHeader(head, fileBytes, complaint)
  if (isElfError(header)) return header
  const table = yield* readBytes(file, header.phoff, header.phnum * PHDR_BYTES)
  if (isErr(table)) return table
  if (table.length < header.phnum * PHDR_BYTES) return complaint.error('truncated', header.phoff, 'it shrank meanwhile')
  return parseElfSegments(header, table, fileBytes, limits, complaint)
}

/** Two thirds of the window: where position-independent programs with an interpreter go, and the heap of those without. */
export function dynBase(space: VmSpace): number {
  return truncPage(Math.floor((space.map.max / 3) * 2))
}

/** The load bias of an image, a multiple of its alignment; ENOMEM if there is no room. */
export function chooseBias(space: VmSpace, image: ElfImage, hasInterpreter: boolean): OrErr<number> {
  if (!image.isPositionIndependent) return 0
  const { align, start, end } = image
  if (hasInterpreter) return Math.floor((dynBase(space) - start) / align) * align
  const at = findSpace(space, 0, end - start + align - PAGE_SIZE, MAP_PRIVATE, false)
  return isErr(at) ? at : Math.ceil((at - start) / align) * align
}

/**
 * Maps the segments of an image. The file's pages are mapped, not read; the rest of a last page is zeroed if the segment
 * may be written, and whole pages of zeros follow.
 *
 * @errors ENOMEM, EFAULT, EIO
 */
export function* mapImage(space: VmSpace, file: OpenFile, image: ElfImage, bias: number): Sleep<0 | Err> {
  for (const s of image.segments) {
    const inPage = s.address % PAGE_SIZE
    const start = s.address - inPage + bias
    const fileEnd = s.address + s.fileBytes + bias
    const memoryEnd = roundPage(s.address + s.memoryBytes + bias)
    let zeroFrom = start
    if (s.fileBytes > 0) {
      const mapped = yield* mapFilePart(
        space,
        file,
        start,
        s.fileBytes + inPage,
        s.prot,
        (s.offset - inPage) / PAGE_SIZE,
      )
      if (isErr(mapped)) return mapped
      zeroFrom = roundPage(fileEnd)
      if (s.memoryBytes > s.fileBytes && (s.prot & 2) !== 0 && fileEnd < zeroFrom) {
        const cleared = yield* copyOut(space, fileEnd, new Uint8Array(zeroFrom - fileEnd))
        if (isErr(cleared)) return cleared
      }
    }
    if (memoryEnd <= zeroFrom) continue
    const zeros = yield* mmapRegion(space, {
      addr: zeroFrom,
      length: memoryEnd - zeroFrom,
      prot: 3 | (s.prot & 4),
      flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
      object: null,
      file: null,
      pgoff: 0,
    })
    if (isErr(zeros)) return zeros
  }
  return 0
}

function* mapFilePart(
  space: VmSpace,
  file: OpenFile,
  addr: number,
  length: number,
  prot: number,
  pgoff: number,
): Sleep<number | Err> {
  const object = file.vnode.object!
  object.pager.reference(object)
  file.reference()
  const flags = MAP_PRIVATE | MAP_FIXED
  const mapped = yield* mmapRegion(space, { addr, length, prot, flags, object, file, pgoff })
  if (isErr(mapped)) {
    object.pager.detach(object)
    file.release()
  }
  return mapped
}

/** Code and data as /proc tells them, from the segments. */
export function noteSegments(space: VmSpace, image: ElfImage, bias: number): void {
  let startCode = Infinity
  let endCode = 0
  let startData = 0
  let endData = 0
  for (const s of image.segments) {
    const start = s.address + bias
    const end = start + s.fileBytes
    startCode = Math.min(startCode, start)
    if ((s.prot & 4) !== 0) endCode = Math.max(endCode, end)
    startData = Math.max(startData, start)
    endData = Math.max(endData, end)
  }
  space.startCode = startCode
  space.endCode = endCode
  space.startData = startData
  space.endData = endData
}
