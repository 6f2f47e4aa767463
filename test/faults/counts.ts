/** How finely what happens is counted over time. */
export const BUCKET_MS = 100

/** Something counted in spans of {@link BUCKET_MS}, each named by its first millisecond; those without any are missing. */
export type Counts = Readonly<Record<number, number>>

export class Counter {
  readonly #counts = new Map<number, number>()

  /** @param time Of `monotonicMs`. */
  count(time: number): void {
    const bucket = Math.floor(time / BUCKET_MS) * BUCKET_MS
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
  }

  get counts(): Counts {
    return Object.fromEntries(this.#counts)
  }
}

/** Several as one. */
export function sumOf(all: readonly Counts[]): Counts {
  const sum = new Map<number, number>()
  for (const counts of all)
    for (const [bucket, count] of Object.entries(counts))
      sum.set(Number(bucket), (sum.get(Number(bucket)) ?? 0) + count)
  return Object.fromEntries(sum)
}

/** How many in spans that begin at `from` or later, and before `to`. */
export function countIn(counts: Counts, from: number, to: number): number {
  return Object.entries(counts)
    .filter(([bucket]) => Number(bucket) >= from && Number(bucket) < to)
    .reduce((sum, [, count]) => sum + count, 0)
}
