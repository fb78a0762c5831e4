/**
 * The shortest sequence found that still differs: pieces are left out, large ones first, as long as `differs` says yes.
 *
 * @param commands  they differ
 * @param differs   asked for candidates; at most `budget` times
 */
export function shrink(commands: readonly string[], differs: (commands: string[]) => boolean, budget = 400): string[] {
  let kept = [...commands]
  let left = budget
  for (let piece = Math.ceil(kept.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let start = Math.max(0, kept.length - piece); left > 0; start -= piece) {
      const candidate = [...kept.slice(0, Math.max(0, start)), ...kept.slice(start + piece)]
      left--
      if (candidate.length < kept.length && differs(candidate)) kept = candidate
      if (start <= 0) break
    }
  }
  return kept
}
