// The library as a web page gets it: one file, run where nothing is known but the language itself and WebAssembly.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path('src/index.ts')],
    bundle: true,
    write: false,
    platform: 'browser', // importing a module of Node's is an error
    format: 'iife',
    globalName: 'pagewright',
    target: 'es2022',
    logLevel: 'silent',
  })
  return outputFiles[0]!.text
}

describe('src/index.ts, bundled for a browser', () => {
  it('runs a program without Node and without DOM', async () => {
    const page = createContext({ bytes: [...readFileSync(path('programs/bin/hello.elf'))] })
    runInContext(await bundle(), page)
    const names = 'process require Buffer setTimeout queueMicrotask performance TextDecoder document window'
    const known = (code: string): unknown => runInContext(code, page)
    for (const name of names.split(' ')) expect(known(`typeof ${name}`), name).toBe('undefined')
    const [status, stdout, leaked] = JSON.parse(
      known(`
        const system = pagewright.createSystem({ memory: '16M', cpus: 2, tlb: '16x4' })
        const program = system.spawn(new Uint8Array(bytes), { args: ['3', 'one', 'two words'] })
        const status = system.run(program)
        system.verify()
        pagewright.formatReport(system.report())
        JSON.stringify([status, program.stdout, system.report().frames.leaked])
      `) as string,
    ) as [number, string, number]
    expect(stdout).toBe(readFileSync(path('programs/expected/hello.txt'), 'utf8'))
    expect([status, leaked]).toEqual([0, 0])
  })
})
