// One subject, in a process of its own: what the compiler has learned from one must not slow down the next.

import type { Findings } from './measure.ts'

const name = process.argv[2]!
const subject = (await import(new URL(`${name}.ts`, import.meta.url).href)) as { measure(): Findings }
process.stdout.write(JSON.stringify(subject.measure()))
