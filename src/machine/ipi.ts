// Interprocessor interrupts, synchronous (DESIGN.md, decision 12).

import { kassert } from '../base/index.ts'
import type { Cpu } from './cpu.ts'
import type { Machine } from './machine.ts'

/** What taking an interrupt costs the target, whatever the handler adds: in nanoseconds. */
export const IPI_TICKS = 1000

/**
 * Runs `handler` on another CPU now, before the sender continues.
 *
 * The handler is charged to the target's time, takes no lock and does not sleep; it sees itself as `machine.current`,
 * with interrupts disabled.
 *
 * @locks  none; panics if `sender` has interrupts disabled, or if the handler is a generator
 */
export function sendIpi(machine: Machine, sender: Cpu, target: Cpu, handler: () => void): void {
  kassert(sender.interruptsEnabled, 'an interrupt is not sent with interrupts disabled', `cpu ${sender.id}`)
  kassert(target.interruptsEnabled, 'an interrupt is not taken with interrupts disabled', `cpu ${target.id}`)
  sender.ipisSent++
  target.ipisReceived++
  target.charge(IPI_TICKS)
  if (machine.trace.on)
    machine.trace.emit('ipi_send_cpu', { cpu: target.id, callsite: sender.id, callback: handler.name })
  const { cpu, thread } = machine.current
  machine.current.cpu = target
  machine.current.thread = null
  target.interruptsEnabled = false
  target.interruptLevel++
  try {
    const result: unknown = handler()
    kassert(result === undefined, 'an interrupt handler answers nothing and does not sleep', handler.name)
  } finally {
    target.interruptLevel--
    target.interruptsEnabled = true
    machine.current.cpu = cpu
    machine.current.thread = thread
  }
}
