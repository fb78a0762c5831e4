// The answers of the real kernel to random sequences of commands: a part of them in `npm test`, all of them by
// `pagewright oracle test/oracle/linux/recordings/*.gz`.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { describeDifference, parseRecording, replay } from '../../src/oracle/index.ts'

const DIRECTORY = new URL('linux/recordings/', import.meta.url)
/** Four sequences of each profile: 40 of 200. */
const SOME = ['sequences-000.jsonl.gz', 'sequences-005.jsonl.gz']

describe.each(SOME)('%s', (name) => {
  const text = gunzipSync(readFileSync(new URL(name, DIRECTORY))).toString('utf8')
  it.each(parseRecording(text))(
    'sequence $seq ($profile) answers as the real kernel does, faults included',
    (sequence) => {
      const { differences } = replay(sequence, 3)
      expect(differences.map((difference) => describeDifference(sequence, difference))).toEqual([])
    },
  )
})
