// Signals as data: numbers, sets, actions, queues. Sending and delivery have files of their own.

export const SIGHUP = 1
export const SIGINT = 2
export const SIGQUIT = 3
export const SIGILL = 4
export const SIGTRAP = 5
export const SIGABRT = 6
export const SIGBUS = 7
export const SIGFPE = 8
export const SIGKILL = 9
export const SIGUSR1 = 10
export const SIGSEGV = 11
export const SIGUSR2 = 12
export const SIGPIPE = 13
export const SIGALRM = 14
export const SIGVTALRM = 26
export const SIGPROF = 27
export const SIGTERM = 15
export const SIGSTKFLT = 16
export const SIGCHLD = 17
export const SIGCONT = 18
export const SIGSTOP = 19
export const SIGTSTP = 20
export const SIGTTIN = 21
export const SIGTTOU = 22
export const SIGURG = 23
export const SIGXCPU = 24
export const SIGXFSZ = 25
export const SIGWINCH = 28
export const SIGRTMIN = 32
export const SIGNAL_COUNT = 64

const NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  )
/** `signalName(11)` is "SIGSEGV". */
export function signalName(signo: number): string {
  return signo <= NAMES.length ? `SIG${NAMES[signo - 1]}` : `SIGRT${signo}`
}

// si_code
export const SI_USER = 0
export const SI_KERNEL = 0x80
export const SI_QUEUE = -1
export const SI_TKILL = -6
export const ILL_ILLOPC = 1
export const TRAP_BRKPT = 1
export const SEGV_MAPERR = 1
export const SEGV_ACCERR = 2
export const BUS_ADRALN = 1
export const BUS_ADRERR = 2
export const CLD_EXITED = 1
export const CLD_KILLED = 2
export const CLD_STOPPED = 5
export const CLD_CONTINUED = 6

/** Bit signo - 1 is set for each signal in the set. */
export type SignalSet = bigint
export const signalBit = (signo: number): SignalSet => 1n << BigInt(signo - 1)
const setOf = (...signos: number[]): SignalSet => signos.reduce((set, signo) => set | signalBit(signo), 0n)
/** Cannot be blocked, caught or ignored. */
export const UNBLOCKABLE = setOf(SIGKILL, SIGSTOP)
const STOPS = setOf(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
const IGNORED = setOf(SIGCHLD, SIGCONT, SIGURG, SIGWINCH)

export type DefaultAction = 'end' | 'ignore' | 'stop' | 'continue'
/** What happens without a handler. @manual signal(7) */
export function defaultAction(signo: number): DefaultAction {
  const bit = signalBit(signo)
  if (signo === SIGCONT) return 'continue'
  if ((STOPS & bit) !== 0n) return 'stop'
  return (IGNORED & bit) !== 0n ? 'ignore' : 'end'
}

// sigaction flags and special handlers
export const SIG_DFL = 0
export const SIG_IGN = 1
export const SA_NOCLDSTOP = 1
export const SA_NOCLDWAIT = 2
export const SA_SIGINFO = 4
export const SA_ONSTACK = 0x08000000
export const SA_RESTART = 0x10000000
export const SA_NODEFER = 0x40000000
export const SA_RESETHAND = 0x80000000

export interface SignalAction {
  readonly handler: number
  readonly flags: number
  readonly mask: SignalSet
}
const DEFAULT: SignalAction = { handler: SIG_DFL, flags: 0, mask: 0n }

/** One action for each signal. */
export class SignalActions {
  refs = 1
  readonly #actions: SignalAction[]
  constructor(from?: SignalActions) {
    this.#actions = from === undefined ? Array.from({ length: SIGNAL_COUNT + 1 }, () => DEFAULT) : [...from.#actions]
  }
  get(signo: number): SignalAction {
    return this.#actions[signo]!
  }
  set(signo: number, action: SignalAction): void {
    this.#actions[signo] = action
  }
  /** Would the signal be thrown away, were it delivered now? */
  ignores(signo: number): boolean {
    const { handler } = this.get(signo)
    return handler === SIG_IGN || (handler === SIG_DFL && defaultAction(signo) === 'ignore')
  }
  /** A copy for execve: handlers are gone, ignored stays ignored. */
  forExec(): SignalActions {
    const fresh = new SignalActions()
    for (let signo = 1; signo <= SIGNAL_COUNT; signo++)
      if (this.get(signo).handler === SIG_IGN) fresh.set(signo, { ...DEFAULT, handler: SIG_IGN })
    return fresh
  }
}

/** What siginfo_t tells. */
export interface SignalInfo {
  readonly signo: number
  readonly code: number
  /** Sender, for signals from processes and SIGCHLD. */
  readonly pid?: number
  readonly uid?: number
  /** SIGCHLD: as wait4 reports it. */
  readonly status?: number
  /** Faults: the address, and what the access was. */
  readonly address?: number
  readonly access?: string
  /** For the report, when it ends the process. */
  readonly note?: string
  /** SI_QUEUE: sigval. */
  readonly value?: bigint
}

/** Signals that wait for delivery. Below SIGRTMIN one of each; from there on a queue in order of arrival. */
export class SignalQueue {
  /** The signals that are here. */
  set: SignalSet = 0n
  readonly #infos: SignalInfo[] = []
  /** False if it was here already and is kept once. */
  add(info: SignalInfo): boolean {
    const bit = signalBit(info.signo)
    if (info.signo < SIGRTMIN && (this.set & bit) !== 0n) return false
    this.set |= bit
    this.#infos.push(info)
    return true
  }
  get count(): number {
    return this.#infos.length
  }
  /** Takes out the lowest-numbered signal that `allowed` contains; fault signals come first, as they are synchronous. */
  take(allowed: SignalSet): SignalInfo | null {
    const ready = this.set & allowed
    if (ready === 0n) return null
    let best = -1
    this.#infos.forEach((info, i) => {
      if ((ready & signalBit(info.signo)) === 0n) return
      if (best < 0 || before(info, this.#infos[best]!)) best = i
    })
    const info = this.#infos.splice(best, 1)[0]!
    if (!this.#infos.some(({ signo }) => signo === info.signo)) this.set &= ~signalBit(info.signo)
    return info
  }
  /** Throws away every instance of these. */
  discard(signals: SignalSet): void {
    for (let i = this.#infos.length - 1; i >= 0; i--)
      if ((signalBit(this.#infos[i]!.signo) & signals) !== 0n) this.#infos.splice(i, 1)
    this.set &= ~signals
  }
}
const SYNCHRONOUS = setOf(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE)
function before(a: SignalInfo, b: SignalInfo): boolean {
  const aFirst = (SYNCHRONOUS & signalBit(a.signo)) !== 0n
  const bFirst = (SYNCHRONOUS & signalBit(b.signo)) !== 0n
  return aFirst === bFirst ? a.signo < b.signo : aFirst
}

/** sigaltstack. */
export interface AlternateStack {
  start: number
  size: number
  /** SS_ONSTACK 1 (derived, never stored), SS_DISABLE 2, SS_AUTODISARM 1 << 31. */
  flags: number
}
export const SS_ONSTACK = 1
export const SS_DISABLE = 2
export const SS_AUTODISARM = 0x80000000
