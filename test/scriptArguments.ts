// What the scripts of package.json are told: --help is answered, what is wrong is one line and exit code 2.

import { parseArgs } from 'node:util'

export interface ScriptArguments {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
  /** The whole number of an option, or what it is unless given. */
  number(option: string, unless: number, least?: number): number
}

/**
 * Reads the arguments of a script; ends the process where there is nothing more to do.
 *
 * @param name     of the script, as in `npm run name`
 * @param usage    what --help prints
 * @param options  names and types; --help is added
 */
export function scriptArguments(
  name: string,
  usage: string,
  options: Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>,
): ScriptArguments {
  const fail = (why: string): never => {
    console.error(`${name}: ${why}; see \`npm run ${name} -- --help\``)
    return process.exit(2)
  }
  let parsed: { values: ScriptArguments['values']; positionals: string[] }
  try {
    parsed = parseArgs({ allowPositionals: true, options: { ...options, help: { type: 'boolean', short: 'h' } } })
  } catch (error) {
    return fail((error as Error).message.split(/\.(?:\s|$)|\n/)[0]!)
  }
  const { values, positionals } = parsed
  if (values['help'] === true) {
    console.log(usage)
    process.exit(0)
  }
  const number = (option: string, unless: number, least = 1): number => {
    const text = values[option]
    if (text === undefined) return unless
    const value = /^\d{1,15}$/.test(String(text)) ? Number(text) : -1
    return value >= least
      ? value
      : fail(`--${option}: must be a whole number from ${least}; got ${JSON.stringify(text)}`)
  }
  return { values, positionals, number }
}
