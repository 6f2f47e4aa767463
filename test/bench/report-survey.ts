import Table from 'cli-table3'
import { PLAIN, shown } from './report-style.js'
import type { Figure, Survey } from './results.js'
import { spreadOf } from './rounds.js'

const HEAD = ['', 'median', 'min..max', '', 'at most', '']

/** The table of numbers that stand for themselves. */
export function renderSurveys(surveys: readonly Survey[]): string {
  const table = new Table({
    head: HEAD,
    style: PLAIN,
    colAligns: HEAD.map((_, column) => (column === 0 || column === 3 ? 'left' : 'right')),
  })
  for (const { groups } of surveys)
    for (const { title, figures } of groups)
      table.push([{ colSpan: HEAD.length, content: title }], ...figures.map(lineOf))
  return table.toString()
}

function lineOf({ name, unit, values, atMost }: Figure): string[] {
  const spread = spreadOf(values)
  if (spread === undefined) return [`  ${name}`]
  const { median, least, most } = spread
  const goal = atMost === undefined ? ['', ''] : [`${atMost}`, most <= atMost ? 'kept' : 'MISSED']
  return [`  ${name}`, shown(median), `${shown(least)}..${shown(most)}`, unit, ...goal]
}
