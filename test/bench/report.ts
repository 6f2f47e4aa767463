import Table from 'cli-table3'
import type { Group, Results, Row, Section } from './results.js'
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
]

/** The one table, what was left out, and what to know when reading it. */
export function render({ sections, machine, seconds, quick }: Results): string {
  const table = new Table({
    head: HEAD,
    // Colours would end up as codes in whatever this is pasted into.
    style: { head: [], border: [], compact: true },
    colAligns: HEAD.map((_, column) => (column === 0 || column === 7 ? 'left' : 'right')),
  })
  for (const section of sections) {
    for (const group of section.groups) table.push(titleOf(section, group), ...group.rows.map(lineOf))
  }
  const { placement } = machine
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`,
    placement.unpinned === undefined
      ? `Subjects run on core ${placement.subject ?? ''}, load and upstreams on ${placement.load ?? ''}.`
      : `Nothing is pinned: ${placement.unpinned}.`,
    table.toString(),
    ...sections.flatMap(({ part, notes }) => notes.map((note) => `${part}: ${note}`)),
    ...sections.flatMap(({ part, skipped }) =>
      skipped.map(({ what, why }) => `${part}: skipped ${what}: ${why}`),
    ),
    `Ratios are paired within a round; the figure is their median. ${Math.round(seconds)} s in all.` +
      (quick ? ' --quick: not to be quoted.' : ''),
  ].join('\n')
}

function titleOf({ units }: Section, { title, rounds }: Group): { colSpan: number; content: string }[] {
  const content = `${title}: ${units.rate}; cost: ${units.cost}; ${rounds.length} rounds`
  return [{ colSpan: HEAD.length, content }]
}

function lineOf({ subject, rate, cost, busy, p50Ms, p99Ms, ratio, costRatio }: Row): string[] {
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
  ]
}

/** Three digits or so: more are noise. */
function shown(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}

function times(ratio: number): string {
  return `x${ratio.toFixed(2)}`
}

function quartiles({ lower, upper }: Spread): string {
  return `${lower.toFixed(2)}..${upper.toFixed(2)}`
}
