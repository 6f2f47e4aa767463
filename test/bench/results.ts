import type { Part } from './flags.js'
import type { Machine } from './machine.js'
import { ratiosOf, seriesOf, spreadOf, type Match, type Round, type Spread } from './rounds.js'

/** What one contestant did in one round. The section says in which units. */
export interface Sample {
  /** Nanoseconds a pick, or requests a second. */
  readonly rate: number
  /** Bytes a pick, or CPU microseconds a request; `undefined` where it cannot be measured. */
  readonly cost: number | undefined
  /** Share of its core that it used: below 1, something else was the limit. */
  readonly busy?: number | undefined
  readonly p50Ms?: number | undefined
  readonly p99Ms?: number | undefined
}

/** A ratio that is worth a line: `of / to`, shown beside `subject`. */
export interface Comparison {
  readonly subject: string
  readonly of: string
  readonly to: string
}

/** What the medians of a subject should not be above. */
export interface Goal {
  readonly subject: string
  readonly rate: number
  readonly cost: number
}

export interface Row {
  readonly subject: string
  readonly rate: Spread
  readonly cost: Spread | undefined
  readonly busy: number | undefined
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** Of ratios paired within a round. */
  readonly ratio: { readonly of: string; readonly to: string; readonly rate: Spread } | undefined
  readonly costRatio: Spread | undefined
  readonly goal: Goal | undefined
}

/** Contestants that ran against each other. */
export interface Group {
  readonly title: string
  readonly rows: readonly Row[]
  readonly rounds: readonly Round<Sample>[]
}

export interface Skip {
  readonly what: string
  readonly why: string
}

/** Contestants side by side. */
export interface Race {
  readonly kind: 'race'
  readonly part: Part
  readonly units: { readonly rate: string; readonly cost: string }
  readonly groups: readonly Group[]
  readonly skipped: readonly Skip[]
  /** What a reader must know to read the figures. */
  readonly notes: readonly string[]
}

/** A number that stands for itself, each time it was measured. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly values: readonly number[]
  /** What none of them should be above. */
  readonly atMost: number | undefined
}

/** Numbers that have nothing to compete with but what they should be. */
export interface Survey {
  readonly kind: 'survey'
  readonly part: Part
  readonly groups: readonly { readonly title: string; readonly figures: readonly Figure[] }[]
  readonly skipped: readonly Skip[]
  readonly notes: readonly string[]
}

export type Section = Race | Survey

/** All of it, as `--json` writes it. */
export interface Results {
  readonly startedAt: string
  readonly seconds: number
  readonly quick: boolean
  readonly machine: Machine
  readonly sections: readonly Section[]
}

export function groupOf(
  title: string,
  match: Match<Sample>,
  comparisons: readonly Comparison[],
  goals: readonly Goal[] = [],
): Group {
  const names = Object.keys(match.rounds[0] ?? {})
  const rows = names.map((name) => {
    const goal = goals.find(({ subject }) => subject === name)
    return rowOf(match.rounds, name, comparisons, goal)
  })
  return { title, rows: rows.filter((row) => row !== undefined), rounds: match.rounds }
}

function rowOf(
  rounds: readonly Round<Sample>[],
  subject: string,
  comparisons: readonly Comparison[],
  goal: Goal | undefined,
): Row | undefined {
  const middle = (number: (sample: Sample) => number | undefined): number | undefined =>
    spreadOf(seriesOf(rounds, subject, number))?.median
  const rate = spreadOf(seriesOf(rounds, subject, rateOf))
  if (rate === undefined) return undefined
  const pair = comparisons.find((comparison) => comparison.subject === subject)
  const ratio = pair && spreadOf(ratiosOf(rounds, pair.of, pair.to, rateOf))
  return {
    subject,
    rate,
    cost: spreadOf(seriesOf(rounds, subject, costOf)),
    busy: middle(({ busy }) => busy),
    p50Ms: middle(({ p50Ms }) => p50Ms),
    p99Ms: middle(({ p99Ms }) => p99Ms),
    ratio: pair && ratio && { of: pair.of, to: pair.to, rate: ratio },
    costRatio: pair && spreadOf(ratiosOf(rounds, pair.of, pair.to, costOf)),
    goal,
  }
}

const rateOf = ({ rate }: Sample): number => rate
const costOf = ({ cost }: Sample): number | undefined => cost
