// Names and paths are byte strings to the kernel. Here they are JavaScript strings that keep every byte: valid UTF-8
// reads as text, and a byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte.

/** The text of a name's bytes; exact inverse of `nameToBytes`. */
export function nameFromBytes(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i)
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + bytes[i]!)
      i++
      continue
    }
    text += String.fromCodePoint(decode(bytes, i, length))
    i += length
  }
  return text
}

/** The bytes of a name, without a final NUL. */
export function nameToBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(nameLength(name))
  let at = 0
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    if (unit < 0x80) {
      bytes[at++] = unit
      continue
    }
    const c = name.codePointAt(i)!
    if (c >= 0xdc80 && c <= 0xdcff) bytes[at++] = c - 0xdc00
    else if (c < 0x800) {
      bytes[at++] = 0xc0 | (c >> 6)
      bytes[at++] = 0x80 | (c & 63)
    } else if (c < 0x10000) {
      bytes[at++] = 0xe0 | (c >> 12)
      bytes[at++] = 0x80 | ((c >> 6) & 63)
      bytes[at++] = 0x80 | (c & 63)
    } else {
      bytes[at++] = 0xf0 | (c >> 18)
      bytes[at++] = 0x80 | ((c >> 12) & 63)
      bytes[at++] = 0x80 | ((c >> 6) & 63)
      bytes[at++] = 0x80 | (c & 63)
      i++
    }
  }
  return bytes
}

/** `nameToBytes(name).length` without making the bytes. */
export function nameLength(name: string): number {
  let length = 0
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    if (c < 0x80 || (c >= 0xdc80 && c <= 0xdcff && !isHigh(name, i - 1))) length += 1
    else if (c < 0x800) length += 2
    else if (isHigh(name, i) && isLow(name, i + 1)) {
      length += 4
      i++
    } else length += 3
  }
  return length
}

const isHigh = (s: string, i: number): boolean => (s.charCodeAt(i) & 0xfc00) === 0xd800
const isLow = (s: string, i: number): boolean => (s.charCodeAt(i) & 0xfc00) === 0xdc00

/** Length of the valid UTF-8 sequence at `i`, or 0. Over-long forms and surrogates are not valid. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i]!
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || i + length > bytes.length) return 0
  for (let k = 1; k < length; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return 0
  const c = decode(bytes, i, length)
  if (length === 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) return 0
  if (length === 4 && (c < 0x10000 || c > 0x10ffff)) return 0
  return length
}
function decode(bytes: Uint8Array, i: number, length: number): number {
  if (length === 1) return bytes[i]!
  let c = bytes[i]! & (0x7f >> length)
  for (let k = 1; k < length; k++) c = (c << 6) | (bytes[i + k]! & 63)
  return c
}
