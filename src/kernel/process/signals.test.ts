import { describe, expect, it } from 'vitest'
import {
  defaultAction,
  SIG_DFL,
  SIG_IGN,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
  SignalActions,
  signalBit,
  signalName,
  SignalQueue,
  SIGRTMIN,
  SIGSEGV,
  SIGTERM,
  SIGTSTP,
  SIGUSR1,
} from './signals.ts'

const ALL = (1n << 64n) - 1n

describe('SignalQueue', () => {
  it('keeps one of each ordinary signal, and every real-time signal in order', () => {
    const queue = new SignalQueue()
    expect(queue.add({ signo: SIGUSR1, code: 1 })).toBe(true)
    expect(queue.add({ signo: SIGUSR1, code: 2 })).toBe(false)
    for (const value of [1n, 2n, 3n]) expect(queue.add({ signo: SIGRTMIN, code: -1, value })).toBe(true)
    expect(queue.count).toBe(4)
    expect(queue.take(ALL)).toMatchObject({ signo: SIGUSR1, code: 1 })
    expect([queue.take(ALL)?.value, queue.take(ALL)?.value]).toEqual([1n, 2n])
    expect(queue.set).toBe(signalBit(SIGRTMIN))
    expect(queue.take(ALL)?.value).toBe(3n)
    expect(queue.set).toBe(0n)
    expect(queue.take(ALL)).toBeNull()
  })
  it('gives faults first, then the lowest number, and only what is allowed', () => {
    const queue = new SignalQueue()
    for (const signo of [SIGTERM, SIGSEGV, SIGHUP, SIGBUS]) queue.add({ signo, code: 0 })
    expect(queue.take(signalBit(SIGTERM))?.signo).toBe(SIGTERM)
    expect([queue.take(ALL)?.signo, queue.take(ALL)?.signo, queue.take(ALL)?.signo]).toEqual([SIGBUS, SIGSEGV, SIGHUP])
  })
  it('throws away what a stop or a continuation cancels', () => {
    const queue = new SignalQueue()
    for (const signo of [SIGTSTP, SIGCONT, SIGRTMIN, SIGRTMIN]) queue.add({ signo, code: 0 })
    queue.discard(signalBit(SIGTSTP) | signalBit(SIGRTMIN))
    expect(queue.set).toBe(signalBit(SIGCONT))
    expect(queue.count).toBe(1)
  })
})

describe('SignalActions', () => {
  it('gives execve the ignored signals and no handler', () => {
    const actions = new SignalActions()
    actions.set(SIGUSR1, { handler: 0x1000, flags: 4, mask: 1n })
    actions.set(SIGTERM, { handler: SIG_IGN, flags: 0, mask: 0n })
    const next = actions.forExec()
    expect(next.get(SIGUSR1).handler).toBe(SIG_DFL)
    expect(next.get(SIGTERM).handler).toBe(SIG_IGN)
    expect(next.ignores(SIGCHLD) && next.ignores(SIGTERM)).toBe(true)
    expect(next.ignores(SIGKILL) || next.ignores(SIGUSR1)).toBe(false)
  })
  it('knows what a signal does without a handler', () => {
    const by = (signo: number): string => `${signalName(signo)} ${defaultAction(signo)}`
    expect([SIGTERM, SIGCHLD, SIGTSTP, SIGCONT, 40].map(by)).toEqual([
      'SIGTERM end',
      'SIGCHLD ignore',
      'SIGTSTP stop',
      'SIGCONT continue',
      'SIGRT40 end',
    ])
  })
})
