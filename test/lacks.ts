// Tests that need a tool which this computer may not have: they are skipped, and `.ci/run` lists what they lack.

import { spawnSync } from 'node:child_process'
import type { TestContext } from 'vitest'

declare module 'vitest' {
  interface TaskMeta {
    /** What a skipped test lacks; the report carries it. */
    lacks?: string
  }
}

/** Skips the test that is running. */
export function skipFor(context: TestContext, lacking: string): never {
  context.task.meta.lacks = lacking
  return context.skip(`lacks ${lacking}`)
}

/** The first of the tools that cannot be started, or null. */
export function missingTool(...tools: readonly string[]): string | null {
  return tools.find((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0) ?? null
}
