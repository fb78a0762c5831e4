// /sys/devices/system/node: the memory of each node.

import { describe, expect, it } from 'vitest'
import { verifyProc } from '../../src/kernel/proc/index.ts'
import { A, PAGE, PROT_RW } from '../process/caller.ts'
import { Reader } from './reader.ts'

const NODES = '/sys/devices/system/node'
const BIND = 2
const PAGES = 200

describe('/sys/devices/system/node', () => {
  it('counts a page at the node that it lies on', () => {
    const c = new Reader({ cpus: 4, nodes: 2, memory: '64M' })
    const kb = (node: number, name: string) => c.figure(`${NODES}/node${node}/meminfo`, `Node ${node} ${name}`)
    const counter = (node: number, name: string) => c.figure(`${NODES}/node${node}/vmstat`, name)
    const before = [0, 1].map((node) => ({ anon: kb(node, 'AnonPages'), free: kb(node, 'MemFree') }))
    c.mmap(A, PAGES, PROT_RW)
    const mask = c.put(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0))
    expect(c.call('mbind', A, PAGES * PAGE, BIND, mask, 64, 0)).toBe(0)
    for (let i = 0; i < PAGES; i++) c.touch(A + i * PAGE, true)
    expect([0, 1].map((node) => kb(node, 'AnonPages') - before[node]!.anon)).toEqual([0, PAGES * 4])
    expect(before[1]!.free - kb(1, 'MemFree')).toBeGreaterThanOrEqual(PAGES * 4)
    expect(counter(1, 'nr_anon_pages') * 4).toBe(kb(1, 'AnonPages'))
    expect(c.call('mlock', A, 7 * PAGE)).toBe(0)
    expect([0, 1].map((node) => kb(node, 'Mlocked'))).toEqual([0, 28])

    expect(c.text(`${NODES}/node1/numastat`)).toMatch(
      /^numa_hit \d+\nnuma_miss \d+\nnuma_foreign \d+\ninterleave_hit \d+\nlocal_node \d+\nother_node \d+\n$/,
    )
    const numa = (name: string) => c.figure(`${NODES}/node1/numastat`, name)
    expect(numa('numa_hit')).toBeGreaterThanOrEqual(PAGES)
    expect(numa('local_node') + numa('other_node')).toBe(numa('numa_hit') + numa('numa_miss'))
    for (const name of ['numa_hit', 'numa_other', 'nr_free_pages'])
      expect(counter(0, name) + counter(1, name)).toBe(c.figure('/proc/vmstat', name))
    verifyProc(c.system.rooms.kernel)
  })
  it('has the lines of the kernel', () => {
    const c = new Reader({ cpus: 4, nodes: 2, memory: '64M' })
    const text = c.text(`${NODES}/node1/meminfo`)
    // As a 6.18 prints them, of node 0.
    expect(text).toMatch(/^Node 1 MemTotal: {7} *\d+ kB\nNode 1 MemFree: {8} *\d+ kB\nNode 1 MemUsed: {8} *\d+ kB\n/)
    expect(text).toMatch(/\nNode 1 HugePages_Total: {5}0\nNode 1 HugePages_Free: {6}0\nNode 1 HugePages_Surp: {6}0\n$/)
    expect(text.split('\n')).toHaveLength(37)
    expect(c.text(`${NODES}/node0/vmstat`).split('\n')).toHaveLength(69)
    expect(['cpulist', 'cpumap', 'distance'].map((name) => c.text(`${NODES}/node1/${name}`))).toEqual([
      '2-3\n',
      'c\n',
      '20 10\n',
    ])
    expect(c.call('readlinkat', -100, `${NODES}/node1/cpu2`, c.buffer, 100)).toBe(14)
    expect(c.text(`${NODES}/node1/cpu2/online`)).toBe('1\n')
    const lists = ['online', 'possible', 'has_cpu', 'has_memory', 'has_normal_memory', 'has_generic_initiator']
    expect(lists.map((name) => c.text(`${NODES}/${name}`))).toEqual([...lists.slice(1).map(() => '0-1\n'), '\n'])
  })
  it('compact does its node, and no other', () => {
    const c = new Reader({ cpus: 2, nodes: 2, memory: '64M' })
    c.mmap(A, 2048, PROT_RW)
    for (let i = 0; i < 2048; i++) c.touch(A + i * PAGE, true)
    for (let i = 0; i < 2048; i += 2) c.call('madvise', A + i * PAGE, PAGE, 4)
    const moved = () => c.figure('/proc/vmstat', 'pgmigrate_success')
    expect(c.text(`${NODES}/node0/compact`)).toBe('error -13')
    expect(c.write(`${NODES}/node1/compact`, 'x')).toBe('ok')
    const elsewhere = moved()
    expect(c.write(`${NODES}/node0/compact`, '1')).toBe('ok')
    expect(moved()).toBeGreaterThan(elsewhere + 500)
    c.system.verify()
  })
})
