import { nameFromBytes } from '../../src/index.ts'
import { Caller } from '../process/caller.ts'

const DATA = 0x1000_8000

/** A process that reads and writes files whole. */
export class Reader extends Caller {
  /** An address of 16 KiB for whoever reads. */
  readonly buffer = DATA

  /** The text, or `error -2`. */
  text(path: string): string {
    const fd = this.call('openat', -100, path, 0, 0)
    if (fd < 0) return `error ${fd}`
    const bytes = this.call('read', fd, DATA, 0x4000)
    this.call('close', fd)
    return bytes < 0 ? `error ${bytes}` : nameFromBytes(this.peek(DATA, bytes))
  }
  /** "ok", "-EINVAL", or `open -13`. */
  write(path: string, text: string): string {
    const fd = this.call('openat', -100, path, 1, 0)
    if (fd < 0) return `open ${fd}`
    const result = this.ask('write', fd, text, text.length)
    this.call('close', fd)
    return result
  }
  /** The number of a line `name: 12 kB` or `name 12`; NaN where there is none. */
  figure(path: string, name: string): number {
    return Number(new RegExp(`^${name}:? +(\\d+)`, 'm').exec(this.text(path))?.[1] ?? NaN)
  }
}
