import type { Child } from './child.js'

/**
 * Each request with an `x-request-id` that reached these processes, as `<method> <id>`. They have to have ended: what
 * they say goes another way than what they answer, and of a request answered just now the line may not be in.
 */
export function seenBy(runs: readonly Child[]): readonly string[] {
  if (runs.some(({ running }) => running))
    throw new Error('what a process has seen is known when it has ended')
  return runs.flatMap(({ lines }) =>
    lines.filter((line) => line.startsWith('seen ')).map((line) => line.slice('seen '.length)),
  )
}
