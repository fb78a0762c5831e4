import { describe, expect, it } from 'vitest'
import { checkConfig, ConfigError, formatSize, parseSize, type SystemConfig } from './config.ts'

describe('checkConfig', () => {
  it('has the defaults of DESIGN.md, decision 7', () => {
    expect(checkConfig()).toEqual({
      memoryBytes: 256 * 1024 * 1024,
      cpus: 1,
      nodes: 1,
      tlb: { entries: 64, ways: 64 },
      pages: 'sv48',
      seed: 1,
      turn: 20000,
      largePages: 'advised',
      swap: [],
      diskLatency: 100,
      hostname: 'pagewright',
    })
  })
  it('reads sizes and TLB shapes as texts', () => {
    expect(checkConfig({ memory: '64M' }).memoryBytes).toBe(2 ** 26)
    expect(checkConfig({ memory: '1.5GiB' }).memoryBytes).toBe(1.5 * 2 ** 30)
    expect(checkConfig({ tlb: '64x4' }).tlb).toEqual({ entries: 64, ways: 4 })
    expect(checkConfig({ tlb: '4096' }).tlb).toEqual({ entries: 4096, ways: 4 })
    expect(checkConfig({ tlb: 1 }).tlb).toEqual({ entries: 1, ways: 1 })
    expect(checkConfig({ tlb: 1536 }).tlb).toEqual({ entries: 1536, ways: 6 })
    expect(checkConfig({ tlb: { entries: 32, ways: 2 } }).tlb).toEqual({ entries: 32, ways: 2 })
  })
  it('reads swap devices', () => {
    expect(checkConfig({ swap: '64M' }).swap).toEqual([2 ** 26])
    expect(checkConfig({ swap: ['40K', 2 ** 20, 0] }).swap).toEqual([40960, 2 ** 20])
    expect(checkConfig({ swap: '0' }).swap).toEqual([])
  })
  it('names the option, the range and what was given', () => {
    const wrong: [SystemConfig, string, RegExp][] = [
      [{ memory: '3M' }, 'memory', /^memory: must be a size from 4M to 16G .*; got "3M"$/],
      [{ memory: 'lots' }, 'memory', /got "lots"$/],
      [{ memory: 4 * 2 ** 20 + 1 }, 'memory', /whole pages/],
      [{ memory: '4M', nodes: 2 }, 'memory', /at least 4M for each of 2 nodes/],
      [{ cpus: 0 }, 'cpus', /^cpus: must be a whole number from 1 to 32; got 0$/],
      [{ cpus: 1.5 }, 'cpus', /got 1.5$/],
      [{ nodes: 17 }, 'nodes', /from 1 to 16/],
      [{ tlb: '64x5' }, 'tlb', /power of two of sets; got "64x5"$/],
      [{ tlb: '0' }, 'tlb', /from 1 to 65536/],
      [{ tlb: { entries: 12, ways: 4 } }, 'tlb', /got "12 entries, 4 ways"$/],
      [{ pages: 'sv57' as 'sv48' }, 'pages', /^pages: must be sv39 or sv48; got "sv57"$/],
      [{ seed: -1 }, 'seed', /from 0 to/],
      [{ swap: '4K' }, 'swap', /^swap: must be 0 or a size from 40K to 16G .*; got "4K"$/],
      [{ swap: 'much' }, 'swap', /got "much"$/],
      [{ swap: ['10G', '10G'] }, 'swap', /at most 16G together; got "10G, 10G"$/],
      [{ hostname: 'a b' }, 'hostname', /letters, digits/],
      [{ memry: 1 } as SystemConfig, 'memry', /one of the options memory, cpus/],
    ]
    for (const [config, option, message] of wrong) {
      let error: unknown = null
      try {
        checkConfig(config)
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as ConfigError).option).toBe(option)
      expect((error as ConfigError).message).toMatch(message)
    }
  })
})

describe('parseSize', () => {
  it('is undone by formatSize', () => {
    for (const text of ['4M', '1G', '20K', '4097']) expect(formatSize(parseSize(text))).toBe(text)
    for (const text of ['', 'M', '-1M', '1e9', '0x10', '1P']) expect(parseSize(text)).toBeNaN()
  })
})
