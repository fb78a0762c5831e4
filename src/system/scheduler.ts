// Who runs where, and when. One host thread plays all CPUs, in the order of their simulated times.
//
//   task    ready ──pick──► runs a turn ──► ready again           a thread of a process, or kernel work of its own
//             ▲                   │
//             └── wake ◄── asleep ◄── its generator yields a SleepRequest
//
//   cpu 0   |turn of A |turn of B |     |turn…      each CPU has its own time; the next turn is given at the
//   cpu 1   |turn of C      |turn of A |            earliest moment at which a CPU is free and a task is ready
//
// Every pick is drawn from the seed, so a seed is an interleaving. A turn is a fixed number of instructions; it ends
// early only where the thread goes to sleep or ends. Nothing here waits for the host (DESIGN.md, decision 10).

import { kassert, panic, type Rng, type Sleep, type Sleeper, type WaitQueue, type WakeReason } from '../base/index.ts'
import type { Cpu, Machine } from '../machine/index.ts'
import { checkCpuTimers, type Kernel, type SchedulerUpcalls, type Thread } from '../kernel/process/index.ts'
import { pmapActivate, pmapDeactivate, type Pmap } from '../kernel/pmap/index.ts'
import type { VmSpace } from '../kernel/map/index.ts'
import { beforeUser, handleTrap } from '../kernel/trap/index.ts'
import { STOP_BUDGET, STOP_ECALL, STOP_FAULT, type Hart } from '../rv64/index.ts'

/** Simulated nanoseconds that one instruction takes. */
const INSTRUCTION_TICKS = 1
/** Entering and leaving the kernel. */
const TRAP_TICKS = 150
/** Loading another thread's registers and address space. */
const SWITCH_TICKS = 1000
/** One turn in so many moves a thread although its own CPU is free, so that a seed explores migration. */
const MIGRATE_ONE_IN = 16

/** What `step` answers. */
export type StepResult =
  /** The budget is used up; there is more to do. */
  | 'ran'
  /** Nobody can run before this simulated time; the next step goes there. */
  | { readonly idleUntil: number }
  /** Everybody sleeps, and only the host can wake them (input), or nobody ever will. */
  | 'waiting for host'
  /** No thread is left. */
  | 'done'

type TaskState = 'ready' | 'running' | 'asleep' | 'ended'

/** A flow of control: a thread of a process, or kernel work without one. */
class Task implements Sleeper {
  readonly name: string
  readonly thread: Thread | null
  /** Kernel work to finish before the thread's user code runs on. */
  work: Sleep<unknown> | null
  /** Does the system go on for its sake? */
  readonly isDaemon: boolean
  state: TaskState = 'ready'
  /** Simulated time from which it may run. */
  readyAt = 0
  reason: WakeReason = 'woken'
  queue: WaitQueue | null = null
  cancelTimer: (() => void) | null = null
  isInterruptible = false
  /** Where it ran last; -1 before its first turn. */
  lastCpu = -1
  readonly #scheduler: Scheduler

  constructor(
    scheduler: Scheduler,
    name: string,
    thread: Thread | null,
    work: Sleep<unknown> | null,
    isDaemon: boolean,
  ) {
    this.#scheduler = scheduler
    this.name = name
    this.thread = thread
    this.work = work
    this.isDaemon = isDaemon
  }
  wake(reason: WakeReason): void {
    this.#scheduler.wakeTask(this, reason)
  }
}

export class Scheduler implements SchedulerUpcalls {
  readonly machine: Machine
  readonly harts: readonly Hart[]
  readonly turn: number
  /** Turns given. */
  turns = 0
  /** Traps, by what stopped the hart. */
  systemCalls = 0
  faultStops = 0
  /** Called when a thread leaves its address space for good, while that is still whole. */
  onSpaceLeft: (thread: Thread, space: VmSpace) => void = () => {}
  readonly #rng: Rng
  #kernel: Kernel | null = null
  readonly #ready: Task[] = []
  readonly #taskOf = new Map<Thread, Task>()
  readonly #kernelTasks = new Set<Task>()
  /** By CPU: the thread whose registers the hart has, and the pmap it has loaded. */
  readonly #loadedThread: (Thread | null)[]
  readonly #loadedPmap: (Pmap | null)[]
  #isIdle = false
  #isTurnOver = false

  constructor(machine: Machine, harts: readonly Hart[], turn: number) {
    this.machine = machine
    this.harts = harts
    this.turn = turn
    this.#rng = machine.rng
    this.#loadedThread = machine.cpus.map(() => null)
    this.#loadedPmap = machine.cpus.map(() => null)
  }
  /** Binds the kernel, once, at boot. */
  bind(kernel: Kernel): void {
    kassert(this.#kernel === null, 'the scheduler is bound once')
    this.#kernel = kernel
  }

  // ------------------------------------------------------------------ what the kernel tells (SchedulerUpcalls)

  threadReady(thread: Thread): void {
    let task = this.#taskOf.get(thread)
    if (task === undefined) {
      task = new Task(this, `thread ${thread.tid}`, thread, thread.continuation, false)
      this.#taskOf.set(thread, task)
      this.#makeReady(task)
    } else if (task.state === 'asleep') this.wakeTask(task, 'woken')
  }
  threadExited(thread: Thread): void {
    const task = this.#taskOf.get(thread)
    if (task === undefined) return
    this.#taskOf.delete(thread)
    // Its own kernel work may be what says so: it then ends by itself.
    if (task.state === 'asleep') this.#unpark(task)
    if (task.state === 'ready') this.#ready.splice(this.#ready.indexOf(task), 1)
    if (task.state !== 'running') task.state = 'ended'
  }
  interruptSleep(thread: Thread): void {
    const task = this.#taskOf.get(thread)
    if (task !== undefined && task.state === 'asleep' && task.isInterruptible) this.wakeTask(task, 'signal')
  }
  yieldTurn(thread: Thread): void {
    if (this.machine.current.thread === thread) this.#isTurnOver = true
  }
  switchSpace(thread: Thread, from: VmSpace, to: VmSpace | null): void {
    if (to === null) this.onSpaceLeft(thread, from)
    for (const cpu of this.machine.cpus) {
      if (this.#loadedPmap[cpu.id] !== from.pmap) continue
      pmapDeactivate(this.#kernel!.pmaps, cpu, from.pmap)
      this.#loadedPmap[cpu.id] = null
    }
  }
  flushCode(thread: Thread, everywhere: boolean): void {
    for (const hart of everywhere ? this.harts : [this.harts[thread.cpu]!]) hart.flushCode()
  }
  /** Kernel work with a life of its own. A daemon does not keep the system going. */
  spawnKernel(name: string, work: Sleep<unknown>, isDaemon = false): Sleeper {
    const task = new Task(this, name, null, work, isDaemon)
    this.#kernelTasks.add(task)
    this.#makeReady(task)
    return task
  }

  // ------------------------------------------------------------------ pumping

  /**
   * Runs about `budget` instructions.
   *
   * @param budget    instructions of all CPUs together; a turn that has begun is finished
   * @param isEnough  asked between turns: stop here?
   */
  step(budget: number, isEnough?: () => boolean): StepResult {
    let left = budget
    while (left > 0) {
      if (isEnough?.() === true) return 'ran'
      if (this.#ready.length === 0) {
        if (!this.hasWork) return 'done'
        const next = this.machine.clock.nextAt
        if (next === Infinity) return 'waiting for host'
        if (!this.#isIdle) {
          this.#isIdle = true
          return { idleUntil: next }
        }
        this.machine.clock.advanceTo(next)
        continue
      }
      this.#isIdle = false
      left -= this.#giveTurn()
    }
    return 'ran'
  }
  /** Is there anything that may go on, now or later? */
  get hasWork(): boolean {
    if (this.#taskOf.size > 0) return true
    for (const task of this.#kernelTasks) if (!task.isDaemon) return true
    return false
  }
  /** What everybody is doing, one line each, for the message about a system that cannot go on. */
  describe(): string[] {
    return [...this.#taskOf.values(), ...this.#kernelTasks].map(
      (task) => `${task.name}: ${task.state}${task.queue === null ? '' : ` on ${task.queue.name}`}`,
    )
  }
  /** Panics unless ready, asleep and loaded states agree. */
  verify(): void {
    for (const task of [...this.#taskOf.values(), ...this.#kernelTasks]) {
      kassert((task.state === 'ready') === this.#ready.includes(task), 'a ready task is in the ready list', task.name)
      kassert(task.state === 'asleep' || task.queue === null, 'only a sleeping task is in a queue', task.name)
      kassert(task.state !== 'ended', 'an ended task is forgotten', task.name)
    }
  }

  /** One turn: the earliest moment at which a CPU is free and a task is ready. Returns what it used of the budget. */
  #giveTurn(): number {
    const { cpus, clock } = this.machine
    let freeAt = Infinity
    for (const cpu of cpus) freeAt = Math.min(freeAt, cpu.time)
    let start = Infinity
    for (const task of this.#ready) start = Math.min(start, task.readyAt)
    start = Math.max(start, freeAt, clock.now)
    if (clock.nextAt <= start) {
      // A timer is due before: whom it wakes may have to run first.
      clock.advanceTo(clock.nextAt)
      return 0
    }
    clock.advanceTo(start)
    const task = this.#pickTask(start)
    const cpu = this.#pickCpu(task, start)
    cpu.time = Math.max(cpu.time, start)
    const before = cpu.time
    task.state = 'running'
    task.lastCpu = cpu.id
    this.machine.current.cpu = cpu
    this.machine.current.thread = task.thread
    this.turns++
    this.#run(task, cpu)
    this.machine.current.thread = null
    if (task.state === 'running') {
      if (task.thread === null ? task.work === null : !this.#taskOf.has(task.thread)) this.#end(task)
      else this.#makeReady(task)
    }
    return Math.max(1, (cpu.time - before) / INSTRUCTION_TICKS)
  }
  #pickTask(now: number): Task {
    const ready = this.#ready
    let candidates = 0
    for (const task of ready) if (task.readyAt <= now) candidates++
    let choice = candidates === 1 ? 0 : this.#rng.below(candidates)
    for (let i = 0; i < ready.length; i++) {
      const task = ready[i]!
      if (task.readyAt > now || choice-- > 0) continue
      ready.splice(i, 1)
      return task
    }
    return panic('a ready task is found')
  }
  #pickCpu(task: Task, now: number): Cpu {
    const { cpus } = this.machine
    if (cpus.length === 1) return cpus[0]!
    const own = cpus[task.lastCpu]
    if (own !== undefined && own.time <= now && this.#rng.below(MIGRATE_ONE_IN) !== 0) return own
    return this.#rng.pick(cpus.filter((cpu) => cpu.time <= now))
  }

  #run(task: Task, cpu: Cpu): void {
    if (task.work !== null && !this.#resume(task)) return
    const { thread } = task
    if (thread === null) return
    const hart = this.harts[cpu.id]!
    let left = this.turn
    this.#isTurnOver = false
    while (left > 0 && !this.#isTurnOver && this.#taskOf.has(thread)) {
      const first = beforeUser(this.#kernel!, thread)
      if (first !== null) {
        if (!this.#begin(task, first)) return
        continue
      }
      this.#load(thread, cpu, hart)
      thread.state = 'running'
      const before = hart.instructions
      const stop = hart.run(left)
      const ran = hart.instructions - before
      thread.process.usage.instructions += ran
      cpu.chargeUser(ran * INSTRUCTION_TICKS)
      // A trap uses the turn up too, so that a thread that only traps does not keep its CPU for ever.
      left -= ran + 1
      thread.process.usage.userNs += ran * INSTRUCTION_TICKS
      if (thread.process.cpuTimers !== null) checkCpuTimers(this.#kernel!, thread.process)
      if (stop === STOP_BUDGET) continue
      if (stop === STOP_ECALL) this.systemCalls++
      else if (stop === STOP_FAULT) this.faultStops++
      cpu.charge(TRAP_TICKS)
      thread.process.usage.systemNs += TRAP_TICKS
      const work = handleTrap(this.#kernel!, thread, hart, stop)
      if (work !== null && !this.#begin(task, work)) return
    }
  }
  /** Starts kernel work for a thread that has stopped; answers as #resume. */
  #begin(task: Task, work: Sleep<void>): boolean {
    task.work = work
    task.reason = 'woken'
    return this.#resume(task)
  }
  /** Goes on with kernel work. True when it is done, false when it sleeps. */
  #resume(task: Task): boolean {
    let step = task.work!.next(task.reason)
    // A signal that came while it was awake in the kernel ends the sleep before it begins.
    while (step.done !== true && step.value.interruptible && task.thread?.needsAttention === true)
      step = task.work!.next('signal')
    const { value, done } = step
    if (done === true) {
      task.work = null
      if (task.thread !== null) task.thread.continuation = null
      return true
    }
    if (task.thread !== null) {
      if (this.#taskOf.has(task.thread)) {
        task.thread.continuation = task.work
        task.thread.state = 'sleeping'
        task.thread.process.usage.voluntarySwitches++
      } else this.#kernelTasks.add(task) // the rest of its exit
    }
    const cpu = this.machine.current.cpu
    kassert(cpu.maySleep, 'nobody sleeps with preemption or interrupts disabled', task.name)
    task.state = 'asleep'
    task.isInterruptible = value.interruptible
    task.queue = value.queue
    value.queue?.join(task)
    task.cancelTimer = null
    if (value.deadline !== Infinity) {
      task.cancelTimer = this.machine.clock.at(value.deadline, () => this.wakeTask(task, 'timeout'))
    }
    return false
  }
  /** Makes the hart this thread's: registers and address space. */
  #load(thread: Thread, cpu: Cpu, hart: Hart): void {
    const { pmap } = thread.space
    const loaded = this.#loadedPmap[cpu.id]!
    if (loaded !== pmap) {
      const { pmaps } = this.#kernel!
      if (loaded !== null) pmapDeactivate(pmaps, cpu, loaded)
      pmapActivate(pmaps, cpu, pmap)
      this.#loadedPmap[cpu.id] = pmap
    }
    if (this.#loadedThread[cpu.id] === thread) return
    const before = this.#loadedThread[cpu.id]
    if (before?.state === 'runnable') before.process.usage.involuntarySwitches++
    this.#loadedThread[cpu.id] = thread
    cpu.switches++
    cpu.charge(SWITCH_TICKS)
    thread.cpu = cpu.id
    hart.setContext(thread.regs)
    hart.clearReservation()
  }

  // ------------------------------------------------------------------ states

  #makeReady(task: Task): void {
    task.state = 'ready'
    // The waker's CPU may be ahead of the clock: what it does has not happened before its own time.
    const { cpu } = this.machine.current
    task.readyAt = Math.max(this.machine.clock.now, this.machine.current.thread === null ? 0 : cpu.time)
    if (task.thread !== null) task.thread.state = 'runnable'
    this.#ready.push(task)
  }
  /** For Task.wake: ends its sleep. */
  wakeTask(task: Task, reason: WakeReason): void {
    if (task.state !== 'asleep') return
    this.#unpark(task)
    task.reason = reason
    this.#makeReady(task)
  }
  #unpark(task: Task): void {
    task.queue?.leave(task)
    task.queue = null
    task.cancelTimer?.()
    task.cancelTimer = null
  }
  #end(task: Task): void {
    task.state = 'ended'
    this.#kernelTasks.delete(task)
    if (task.thread === null) return
    for (const cpu of this.machine.cpus)
      if (this.#loadedThread[cpu.id] === task.thread) this.#loadedThread[cpu.id] = null
  }
}
