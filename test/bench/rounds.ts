/** One thing that is measured, again and again, against others. */
export interface Contestant<S> {
  readonly name: string
  measure(): Promise<S>
}

/** What each contestant did in one pass over all of them. One that has failed is missing. */
export type Round<S> = Readonly<Record<string, S>>

export interface Match<S> {
  readonly rounds: readonly Round<S>[]
  /** Which were removed, and why. */
  readonly failed: readonly { readonly name: string; readonly why: string }[]
}

/**
 * Runs the contestants in turn (A B C, A B C, ...), so that whatever else the machine does meets all of them alike.
 * One that fails is out from then on, with all it did before: half a series has nothing to be paired with.
 *
 * @param warmUps Rounds that go first and are forgotten.
 */
export async function interleave<S>(
  contestants: readonly Contestant<S>[],
  { rounds, warmUps }: { readonly rounds: number; readonly warmUps: number },
): Promise<Match<S>> {
  const failed = new Map<string, string>()
  const kept: Round<S>[] = []
  for (let round = -warmUps; round < rounds; round++) {
    const samples: Record<string, S> = {}
    for (const contestant of contestants) {
      const { name } = contestant
      if (failed.has(name)) continue
      try {
        samples[name] = await contestant.measure()
      } catch (error) {
        failed.set(name, error instanceof Error ? error.message : String(error))
      }
    }
    if (round >= 0) kept.push(samples)
  }
  return matchOf(kept, failed)
}

/** Contestants that run, and how to end them. */
export interface Lineup<S> {
  readonly contestants: readonly Contestant<S>[]
  stop(): Promise<void>
}

/**
 * Interleaves again and again, each time with new processes. Where the linker and the compiler happen to put things
 * makes two processes of the same program differ by a tenth and more for as long as they live; the rounds of one
 * process would never show it.
 */
export async function interleaveGenerations<S>(
  start: () => Promise<Lineup<S>>,
  {
    generations,
    ...plan
  }: { readonly generations: number; readonly rounds: number; readonly warmUps: number },
): Promise<Match<S>> {
  const kept: Round<S>[] = []
  const failed = new Map<string, string>()
  for (let generation = 0; generation < generations; generation++) {
    const lineup = await start()
    const match = await interleave(lineup.contestants, plan)
    await lineup.stop()
    kept.push(...match.rounds)
    for (const { name, why } of match.failed) failed.set(name, why)
  }
  return matchOf(kept, failed)
}

function matchOf<S>(rounds: readonly Round<S>[], failed: ReadonlyMap<string, string>): Match<S> {
  return {
    rounds: rounds.map((round) =>
      Object.fromEntries(Object.entries(round).filter(([name]) => !failed.has(name))),
    ),
    failed: [...failed].map(([name, why]) => ({ name, why })),
  }
}

/** Where the middle half of some numbers lies. */
export interface Spread {
  readonly least: number
  readonly lower: number
  readonly median: number
  readonly upper: number
  readonly most: number
}

/** `undefined`: there are no values. Quartiles between two values are interpolated. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => {
    const place = share * (sorted.length - 1)
    const below = sorted[Math.floor(place)] ?? Number.NaN
    const above = sorted[Math.ceil(place)] ?? Number.NaN
    return below + (above - below) * (place - Math.floor(place))
  }
  if (sorted.length === 0) return undefined
  return { least: at(0), lower: at(0.25), median: at(0.5), upper: at(0.75), most: at(1) }
}

/** One number of one contestant, a round each. */
export function seriesOf<S>(
  rounds: readonly Round<S>[],
  name: string,
  number: (sample: S) => number | undefined,
): number[] {
  return rounds.map((round) => of(round, name, number)).filter((value) => value !== undefined)
}

/**
 * `name` against `reference`, both from the same round: what slowed a round down slowed down both,
 * which the ratio of two medians would not know.
 */
export function ratiosOf<S>(
  rounds: readonly Round<S>[],
  name: string,
  reference: string,
  number: (sample: S) => number | undefined,
): number[] {
  return rounds
    .map((round) => {
      const value = of(round, name, number)
      const base = of(round, reference, number)
      return value === undefined || base === undefined || base === 0 ? undefined : value / base
    })
    .filter((ratio) => ratio !== undefined)
}

function of<S>(round: Round<S>, name: string, number: (sample: S) => number | undefined): number | undefined {
  const sample = round[name]
  return sample === undefined ? undefined : number(sample)
}
