// The command line: finds the command, runs it, turns what is wrong into one line and exit code 2.

import { readFileSync } from 'node:fs'
import { printable } from '../src/index.ts'
import { demo } from './demo.ts'
import { parseDemo, parseOracle, parseRun, UsageError } from './options.ts'
import { oracle } from './oracle.ts'
import { run } from './run.ts'
import { DEMO_USAGE, ORACLE_USAGE, RUN_USAGE, USAGE, USAGES } from './usage.ts'

/** Exit codes of our own; all others are the guest's. */
const EXIT_USAGE = 2
/** A mistake of ours, as sysexits(3) has it. */
const EXIT_INTERNAL = 70

/** Runs a command line, without node and script, and sets the exit code of the host process. */
export async function main(argv: readonly string[]): Promise<void> {
  process.exitCode = await execute(argv)
}

/** Runs a command line. Nothing is thrown; what is wrong goes to standard error. @returns the exit code */
export async function execute(argv: readonly string[]): Promise<number> {
  try {
    return await command(argv)
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`pagewright: ${printable(error.message)}\n`)
      return EXIT_USAGE
    }
    const { stack, message } = error as Error
    process.stderr.write(`pagewright: internal error, please report it: ${stack ?? message}\n`)
    return EXIT_INTERNAL
  }
}

async function command(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  switch (name) {
    case undefined:
      process.stderr.write(USAGE)
      return EXIT_USAGE
    case '-h':
    case '--help':
      return say(USAGE)
    case 'help': {
      const topic = rest[0]
      if (topic === undefined) return say(USAGE)
      const usage = Object.hasOwn(USAGES, topic) ? USAGES[topic] : undefined
      if (usage === undefined) throw new UsageError(`no command ${JSON.stringify(topic)}; see \`pagewright --help\``)
      return say(usage)
    }
    case '-V':
    case '--version':
      return say(`pagewright ${version()}\n`)
    case 'run': {
      const options = parseRun(rest)
      return options === 'help' ? say(RUN_USAGE) : await run(options)
    }
    case 'demo': {
      const config = parseDemo(rest)
      return config === 'help' ? say(DEMO_USAGE) : await demo(config)
    }
    case 'oracle': {
      const options = parseOracle(rest)
      return options === 'help' ? say(ORACLE_USAGE) : oracle(options)
    }
    default: {
      const what = name.startsWith('-') ? 'option' : 'command'
      throw new UsageError(`no ${what} ${JSON.stringify(name)}; see \`pagewright --help\``)
    }
  }
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}
function version(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      continue
    }
  }
  return 'unknown'
}
