import { describe, expect, it } from 'vitest'
import { EBADF, EINVAL, EMFILE } from '../../base/index.ts'
import { O_CREAT, O_RDWR } from './constants.ts'
import { FdTable } from './fdTable.ts'
import { makeTestSystem, ok, open, run } from './testFiles.ts'

describe('FdTable', () => {
  const system = makeTestSystem()
  const file = () => open(system, '/f', O_RDWR | O_CREAT)

  it('gives the lowest free descriptor', () => {
    const fds = new FdTable()
    const a = file()
    expect([fds.install(a), fds.dup(0), fds.dup(0, 10), fds.dup(1)]).toEqual([0, 1, 10, 2])
    expect(a.refs).toBe(4)
    expect(run(system, fds.close(1))).toBe(0)
    expect(run(system, fds.close(1))).toBe(EBADF)
    expect(fds.dup(0)).toBe(1)
    expect(fds.open).toEqual([0, 1, 2, 10])
    expect([fds.get(3), fds.get(-1), fds.get(1e9)]).toEqual([EBADF, EBADF, EBADF])
    run(system, fds.release())
    expect(a.refs).toBe(0)
  })
  it('obeys its limit', () => {
    const fds = new FdTable(2)
    const a = file()
    ok(fds.install(a))
    ok(fds.dup(0))
    expect(fds.dup(0)).toBe(EMFILE)
    expect(fds.dup(0, 2)).toBe(EINVAL)
    expect(fds.dup(0, -1)).toBe(EINVAL)
    expect(fds.dup(7)).toBe(EBADF)
    expect(a.refs).toBe(2)
    expect(run(system, fds.dup3(0, 2, false))).toBe(EBADF)
    expect(run(system, fds.dup3(0, 0, false))).toBe(EINVAL)
  })
  it('closes what dup3 replaces', () => {
    const fds = new FdTable()
    const [a, b] = [file(), file()]
    ok(fds.install(a))
    ok(fds.install(b))
    expect(run(system, fds.dup3(0, 1, true))).toBe(1)
    expect([a.refs, b.refs, fds.get(1), fds.closesOnExec(1)]).toEqual([2, 0, a, true])
  })
  it('is copied by fork and thinned by exec', () => {
    const fds = new FdTable()
    const a = file()
    ok(fds.install(a))
    ok(fds.dup(0, 0, true))
    const child = fds.copy()
    expect(a.refs).toBe(4)
    run(system, child.closeOnExec())
    expect(child.open).toEqual([0])
    expect(fds.open).toEqual([0, 1])
    expect(fds.setClosesOnExec(0, true)).toBe(0)
    expect(child.closesOnExec(0)).toBe(false)
    expect(fds.setClosesOnExec(5, true)).toBe(EBADF)
    fds.refs++
    run(system, fds.release())
    expect(fds.open).toEqual([0, 1])
    run(system, fds.release())
    run(system, child.release())
    expect(a.refs).toBe(0)
  })
})
