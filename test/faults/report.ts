import Table from 'cli-table3'
import { PLAIN, shown } from '../bench/report-style.js'
import { cellsOf, HEAD } from './cells.js'
import { goals, type Verdict } from './goals.js'
import type { Results, Row } from './results.js'
import { subjectNames } from './subject.js'

/** The tables, for a terminal. */
export function render(results: Results): string {
  const { machine, quick, seconds, ratePerSecond, instances, rows } = results
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`,
    `${ratePerSecond} requests a second in all to ${instances} instances, one in ten a POST.`,
    ...unwellInWords(rows),
    ...subjectNames.flatMap((subject) => {
      const own = rows.filter((row) => row.subject === subject)
      return own.length === 0 ? [] : [`\n${subject}`, tableOf(own), ...own.flatMap(reasonsOf)]
    }),
    '',
    `Goals: ${goalsInWords()}. ${verdictsInWords(rows)} ${Math.round(seconds)} s in all.` +
      (quick ? ' --quick: not to be quoted.' : ''),
  ].join('\n')
}

/** What the goals are, as one sentence without its end. */
export function goalsInWords(): string {
  return (
    `no idempotent request lost where an instance is well and nothing of a response had been handed on (nor cut, where responses are held until they are whole); ` +
    `p99 within ${goals.p99Ratio} times the healthy; recovery of all within ${goals.recoveryMs / 1000} s; ` +
    `at most ${goals.load} times the offered load; without a fault nothing lost and p99 of ${goals.healthyP99Ms} ms at most`
  )
}

export function verdictsInWords(rows: readonly Row[]): string {
  const all = rows.flatMap(({ result }) =>
    result.kind === 'measured' ? Object.values<Verdict | undefined>({ ...result.verdicts }) : [],
  )
  const number = (verdict: Verdict): number => all.filter((one) => one === verdict).length
  const without = rows.filter(({ result }) => result.kind === 'not measured').length
  const skipped = without === 0 ? '' : `; rows not measured: ${without}`
  return `Goals kept: ${number('kept')}; missed: ${number('MISSED')}${skipped}.`
}

/** Where the machine was too slow for the load, the figures are the machine's. */
export function unwellInWords(rows: readonly Row[]): readonly string[] {
  const unwell = rows.filter(
    ({ on, result }) =>
      on === 'none' &&
      result.kind === 'measured' &&
      Object.values<unknown>({ ...result.verdicts }).includes('MISSED'),
  )
  if (unwell.length === 0) return []
  const subjects = unwell.map(({ subject }) => subject).join(' and ')
  return [`The load was not well without a fault (${subjects}): of the other rows nothing can be said.`]
}

function tableOf(rows: readonly Row[]): string {
  const table = new Table({ head: [...HEAD], style: PLAIN, wordWrap: true, colWidths: HEAD.map(widthOf) })
  table.push(
    ...rows.map((row) => {
      const [name = '', ...cells] = cellsOf(row)
      return row.result.kind === 'measured'
        ? [name, ...cells]
        : [name, { colSpan: HEAD.length - 1, content: cells[0] ?? '' }]
    }),
  )
  return table.toString()
}

function widthOf(_: string, column: number): number {
  return column === 0 ? 36 : 22
}

const MOST_REASONS = 4

/** Why requests of this row were lost, and whether the load was late. */
function reasonsOf({ name, result }: Row): readonly string[] {
  if (result.kind === 'not measured') return []
  const { reasons, figures } = result
  const lines: string[] = []
  if (reasons.length > 0) {
    const most = reasons.slice(0, MOST_REASONS).map(([reason, times]) => `${times} ${reason}`)
    lines.push(`${name}: ${most.join(', ')}`)
  }
  if (figures.lateP99Ms > goals.healthyP99Ms)
    lines.push(
      `${name}: the load itself was late (p99 ${shown(figures.lateP99Ms)} ms): go by no latency of this row`,
    )
  return lines
}
