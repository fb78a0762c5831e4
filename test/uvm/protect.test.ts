// UVM scenarios C: protection, inheritance.

import { describe, expect, it } from 'vitest'
import { EACCES, EINVAL } from '../../src/base/index.ts'
import {
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_NOMERGE,
  uvmMapCheckprot,
  uvmMapInherit,
  VM_INHERIT_NONE,
  VM_INHERIT_ZERO,
} from '../../src/kernel/map/index.ts'
import { at, now, protOf, UvmWorld } from './world.ts'

describe('protection', () => {
  it('[uvm S36] lowering splits, raising neither merges nor copies', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.W(1, 'k')
    expect(u.protect(1, 2, 'r--')).toBe(0)
    u.expectList(
      u.vm0,
      '[0,1) - rw-/rwx C w0 cow nnc A1:r3 n4 u0 @0 pp[1,1,1,1]',
      '[1,2) - r--/rwx C w0 cow nnc A1:r3 n4 u1 @1 pp[1,1,1,1]',
      '[2,4) - rw-/rwx C w0 cow nnc A1:r3 n4 u0 @2 pp[1,1,1,1]',
    )
    expect(u.delta(() => expect(u.R(1)).toBe('k'))).toEqual({})
    expect(u.delta(() => expect(u.W(1, 'x')).toBe(EACCES))).toEqual({ faults: 1 })
    u.protect(1, 2, 'rw-')
    expect(u.vm0.map.entryCount).toBe(3)
    expect(u.delta(() => u.W(1, 'y'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1 })
  })
  it('[uvm S37] beyond the maximum nothing changes', () => {
    const prots = (u: UvmWorld): string[] => u.list().map((line) => line.split(' ')[2]!)
    const u = new UvmWorld()
    u.map(0, 2, { prot: 'r--', max: 'r--' })
    u.map(2, 2, { prot: 'r--' })
    expect(u.protect(0, 4, 'rw-')).toBe(EACCES)
    expect(prots(u)).toEqual(['r--/r--', 'r--/rwx'])
    expect(u.protect(2, 4, 'rw-')).toBe(0)
    const v = new UvmWorld()
    v.map(0, 2, { prot: 'r--' })
    v.map(2, 2, { prot: 'r--', max: 'r--' })
    expect(v.protect(1, 4, 'rw-')).toBe(EACCES)
    expect(prots(v).every((text) => text.startsWith('r--'))).toBe(true)
  })
  it('[uvm S38] set_max', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    expect(u.protect(0, 2, 'r-x', true)).toBe(0)
    u.expectList(u.vm0, '[0,2) - r--/r-x C w0 cow nc -')
    expect(u.protect(0, 2, 'rw-')).toBe(EACCES)
    expect(u.protect(0, 2, 'r-x')).toBe(0)
    u.expectList(u.vm0, '[0,2) - r-x/r-x C w0 cow nc -')
  })
  it('[uvm S39] holes and nothing at all are fine', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.map(3, 1)
    expect(u.protect(-1, 5, 'r--')).toBe(0)
    u.expectList(u.vm0, '[0,1) - r--/rwx C w0 cow nc -', '[3,4) - r--/rwx C w0 cow nc -')
    expect(u.protect(8, 9, 'r--')).toBe(0)
  })
  it('[uvm S40] checkprot', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(2, 1, { prot: 'r--' })
    u.map(4, 1, { prot: 'r--' })
    const ask = (s: number, e: number, prot: string): boolean => uvmMapCheckprot(u.vm0.map, at(s), at(e), protOf(prot))
    const answers = [
      ask(0, 3, 'r--'),
      ask(0, 3, 'rw-'),
      ask(0, 2, 'rw-'),
      ask(0, 5, 'r--'),
      ask(2, 4, 'r--'),
      ask(3, 4, '---'),
      ask(0, 3, '---'),
      ask(1, 1, 'rwx'),
      ask(3, 3, '---'),
      ask(4, 5, 'r--'),
      ask(4, 6, 'r--'),
    ]
    expect(answers.map((yes) => (yes ? 'T' : 'F')).join('')).toBe('TFTFFFTTFTF')
  })
  it('[uvm S41] none and back keeps the page', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.W(0, 'A')
    expect(u.resident()).toBe(1)
    u.protect(0, 2, '---')
    expect(u.resident()).toBe(0)
    expect(u.R(0)).toBe(EACCES)
    u.protect(0, 2, 'rw-')
    expect(u.delta(() => expect(u.R(0)).toBe('A'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1 })
  })
  it('[uvm S42] inherit', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    const inherit = (s: number, e: number, value: number): number => now(uvmMapInherit(u.vm0.map, at(s), at(e), value))
    expect(inherit(1, 2, VM_INHERIT_NONE)).toBe(0)
    const three = ['[0,1) - rw-/rwx C w0 cow nc -', '[1,2) - rw-/rwx N w0 cow nc -', '[2,4) - rw-/rwx C w0 cow nc -']
    u.expectList(u.vm0, ...three)
    expect([3, 5, 666].map((value) => inherit(0, 4, value))).toEqual([EINVAL, EINVAL, EINVAL])
    u.expectList(u.vm0, ...three)
    expect(inherit(0, 4, VM_INHERIT_ZERO)).toBe(0)
    u.expectList(u.vm0, ...three.map((line) => line.replace(/ [CN] /, ' Z ')))
  })
  it('[uvm S43] a file of a no-exec mount does not become executable', () => {
    const u = new UvmWorld()
    const f = u.aobj(2, 'f')
    const flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | UVM_FLAG_NOMERGE
    u.map(0, 2, { object: f, offset: 0, prot: 'r--', flags })
    u.vm0.map.lookup(at(0))!.file = {
      path: '/noexec/f',
      inode: 1,
      device: 1,
      isReadable: true,
      isWritable: true,
      isNoExec: true,
      reference() {},
      release() {},
    }
    expect(u.protect(0, 2, 'r-x')).toBe(EACCES)
    u.expectList(u.vm0, '[0,2) f+0x0 r--/rwx C w0 cow nc -')
  })
})
