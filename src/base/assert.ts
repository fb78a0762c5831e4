// Our own mistakes. Nothing a guest program does may reach these.

/** A broken kernel rule: panic, BUG and failed assertion are one thing (DESIGN.md, decision 9). */
export class KernelPanic extends Error {
  readonly rule: string
  constructor(rule: string, detail = '') {
    super(detail === '' ? `kernel panic: ${rule}` : `kernel panic: ${rule}: ${detail}`)
    this.name = 'KernelPanic'
    this.rule = rule
  }
}

/** Stops the simulated machine, naming the rule that was broken and the state that was seen. */
export function panic(rule: string, detail?: string): never {
  throw new KernelPanic(rule, detail)
}

/** Asserts a kernel rule. Keep `detail` cheap: it is evaluated by the caller. */
export function kassert(condition: boolean, rule: string, detail?: string): asserts condition {
  if (!condition) throw new KernelPanic(rule, detail)
}
