import Table from 'cli-table3'
import { PLAIN, shown } from './report-style.js'
import { renderSurveys } from './report-survey.js'
import type { Group, Race, Results, Row } from './results.js'
import type { Spread } from './rounds.js'

const HEAD = [
  '',
  '',
  'min..max',
  'cost',
  'busy',
  'p50 ms',
  'p99 ms',
  'ratio of',
  'ratio',
  'quartiles',
  'cost ratio',
  'at most',
  '',
]

/** The tables, what was skipped, and what to know when reading it. */
export function render({ sections, machine, seconds, quick }: Results): string {
  const { placement } = machine
  const races = sections.filter((section) => section.kind === 'race')
  const surveys = sections.filter((section) => section.kind === 'survey')
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`,
    placement.unpinned === undefined
      ? `Subjects run on core ${placement.subject ?? ''}, load and upstreams on ${placement.load ?? ''}.`
      : `Nothing is pinned: ${placement.unpinned}.`,
    ...(races.length > 0 ? [tableOfRaces(races)] : []),
    ...(surveys.length > 0 ? [renderSurveys(surveys)] : []),
    ...sections.flatMap(({ part, notes }) => notes.map((note) => `${part}: ${note}`)),
    ...sections.flatMap(({ part, skipped }) =>
      skipped.map(({ what, why }) => `${part}: skipped ${what}: ${why}`),
    ),
    `Ratios are paired within a round; the figure is their median. ${Math.round(seconds)} s in all.` +
      (quick ? ' --quick: not to be quoted.' : ''),
  ].join('\n')
}

function tableOfRaces(races: readonly Race[]): string {
  const table = new Table({
    head: HEAD,
    style: PLAIN,
    colAligns: HEAD.map((_, column) => (column === 0 || column === 7 ? 'left' : 'right')),
  })
  for (const race of races)
    for (const group of race.groups) table.push(titleOf(race, group), ...group.rows.map(lineOf))
  return table.toString()
}

function titleOf({ units }: Race, { title, rounds }: Group): { colSpan: number; content: string }[] {
  const content = `${title}: ${units.rate}; cost: ${units.cost}; ${rounds.length} rounds`
  return [{ colSpan: HEAD.length, content }]
}

function lineOf(row: Row): string[] {
  const { subject, rate, cost, busy, p50Ms, p99Ms, ratio, costRatio } = row
  return [
    `  ${subject}`,
    shown(rate.median),
    `${shown(rate.least)}..${shown(rate.most)}`,
    cost === undefined ? '?' : shown(cost.median),
    busy === undefined ? '' : `${Math.round(busy * 100)}%`,
    p50Ms === undefined ? '' : p50Ms.toFixed(2),
    p99Ms === undefined ? '' : p99Ms.toFixed(2),
    ratio === undefined
      ? ''
      : [ratio.of, ratio.to].map((name) => (name === subject ? 'this' : name)).join(' / '),
    ratio === undefined ? '' : times(ratio.rate.median),
    ratio === undefined ? '' : quartiles(ratio.rate),
    costRatio === undefined ? '' : times(costRatio.median),
    ...goalOf(row),
  ]
}

/** Of medians: one sample that something else has disturbed is not the subject's. */
function goalOf({ rate, cost, goal }: Row): readonly [string, string] {
  if (goal === undefined) return ['', '']
  const fast = rate.median <= goal.rate
  // As it is shown: below a hundredth of a byte a pick is what the heap moves by itself.
  const lean = cost !== undefined && Number(cost.median.toFixed(2)) <= goal.cost
  return [`${goal.rate}, ${goal.cost} B`, fast && lean ? 'kept' : 'MISSED']
}

function times(ratio: number): string {
  return `x${ratio.toFixed(2)}`
}

function quartiles({ lower, upper }: Spread): string {
  return `${lower.toFixed(2)}..${upper.toFixed(2)}`
}
