// Random steps against a model, and the shortest sequence that still fails.
//
// A step is plain data that means something in every state (a page number modulo the pages there are, and so on). That
// is what makes shrinking simple: any part of a sequence is a sequence.

import { Rng } from '../../src/base/index.ts'

/** One world beside its model. */
export interface Trial<Step> {
  /** Carries out a step on both; throws if they differ or an invariant is broken. */
  run(step: Step): void
  /** After the last step: everything is given back. */
  finish(): void
}
export interface Subject<Step> {
  readonly name: string
  /** What `npm run fuzz` carries out for each seed unless told. */
  readonly steps: number
  step(rng: Rng): Step
  start(): Trial<Step>
}
export interface Failure<Step> {
  readonly seed: number
  /** Steps before the one that failed. */
  readonly at: number
  readonly error: Error
  /** A shortest sequence found that fails, and how it does. */
  readonly steps: readonly Step[]
  readonly shrunkError: Error
}

/**
 * Carries out `count` steps.
 *
 * @param milliseconds  for shrinking what failed
 * @param progress      called now and then with the steps done
 */
export function fuzz<Step>(
  subject: Subject<Step>,
  seed: number,
  count: number,
  milliseconds = 60_000,
  progress?: (done: number) => void,
): Failure<Step> | null {
  const rng = new Rng(seed)
  const steps: Step[] = []
  for (let i = 0; i < count; i++) steps.push(subject.step(rng))
  const first = attempt(subject, steps, progress)
  if (first === null) return null
  const until = Date.now() + milliseconds
  const shrunk = shrink(subject, steps.slice(0, first.at + 1), until)
  return { seed, at: first.at, error: first.error, steps: shrunk, shrunkError: attempt(subject, shrunk)!.error }
}

function attempt<Step>(
  subject: Subject<Step>,
  steps: readonly Step[],
  progress?: (done: number) => void,
): { at: number; error: Error } | null {
  const trial = subject.start()
  for (let at = 0; at <= steps.length; at++) {
    try {
      if (at < steps.length) trial.run(steps[at]!)
      else trial.finish()
    } catch (error) {
      return { at: Math.min(at, steps.length - 1), error: error as Error }
    }
    if (at % 1000 === 999) progress?.(at + 1)
  }
  return null
}

// 1. the last 10, 100, 1000, … steps: what went wrong long ago is rarely needed
// 2. without a half, a quarter, an eighth, … down to without a step, until no step can be spared
function shrink<Step>(subject: Subject<Step>, failing: readonly Step[], until: number): readonly Step[] {
  const fails = (steps: readonly Step[]): number => (Date.now() < until ? (attempt(subject, steps)?.at ?? -1) : -1)
  let best = failing
  for (let last = 10; last < failing.length; last *= 10) {
    const tail = failing.slice(-last)
    const at = fails(tail)
    if (at < 0) continue
    best = tail.slice(0, at + 1)
    break
  }
  for (let part = best.length >> 1; part >= 1;) {
    let isShorter = false
    for (let from = 0; from < best.length && best.length > 1;) {
      const rest = [...best.slice(0, from), ...best.slice(from + part)]
      const at = rest.length === 0 ? -1 : fails(rest)
      if (at < 0) from += part
      else {
        best = rest.slice(0, at + 1)
        isShorter = true
      }
    }
    part = part === 1 && isShorter ? 1 : part >> 1
  }
  return best
}

/** What to say about a failure: how it fails, and the steps to paste into a test. */
export function failureText(name: string, { seed, at, error, steps, shrunkError }: Failure<unknown>): string {
  return [
    `${name}, seed ${seed}: step ${at} fails: ${error.message}`,
    `shrunk to ${steps.length} steps: ${shrunkError.stack ?? shrunkError.message}`,
    ...steps.slice(-200).map((step) => `  ${JSON.stringify(step)},`),
  ].join('\n')
}
