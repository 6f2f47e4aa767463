import Table from 'cli-table3'
import type { Figures } from '../figures.js'
import { isRamp, type Result } from './result.js'

/** A table as rows of text, head first. */
export type Rows = readonly (readonly string[])[]

interface Column {
  readonly head: string
  readonly cell: (figures: Figures) => string
}

const COLUMNS: readonly Column[] = [
  { head: 'p50 ms', cell: ({ p50 }) => milliseconds(p50) },
  { head: 'p90', cell: ({ p90 }) => milliseconds(p90) },
  { head: 'p99', cell: ({ p99 }) => milliseconds(p99) },
  { head: 'p99.9', cell: ({ p999 }) => milliseconds(p999) },
  { head: 'errors %', cell: ({ errors }) => percent(errors) },
  { head: 'deviation', cell: ({ deviation }) => deviation.toFixed(2) },
  { head: 'max / mean', cell: ({ largest }) => largest.toFixed(2) },
]

/** A row for each policy; of a ramp p99 and errors, a column for each load. */
export function rowsOf(result: Result): Rows {
  return isRamp(result) ? rampRows(result) : policyRows(result)
}

export function resultTable(result: Result): string {
  const [head = [], ...rows] = rowsOf(result)
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

function policyRows({ runs }: Result): Rows {
  return [
    ['policy', ...COLUMNS.map(({ head }) => head)],
    ...runs.flatMap(({ policy, figures }) =>
      figures.map((span) => [policy, ...COLUMNS.map(({ cell }) => cell(span))]),
    ),
  ]
}

function rampRows({ scenario, runs }: Result): Rows {
  return [
    ['p99 ms (errors %) at load', ...scenario.spans.map(({ label }) => label)],
    ...runs.map(({ policy, figures }) => [
      policy,
      ...figures.map(({ p99, errors }) => {
        const failures = percent(errors)
        return failures === '0' ? milliseconds(p99) : `${milliseconds(p99)} (${failures})`
      }),
    ]),
  ]
}

function milliseconds(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}

/** Two digits that mean something; nought is nought. */
function percent(value: number): string {
  if (value === 0) return '0'
  return value < 0.1 ? value.toPrecision(1) : value.toFixed(value < 10 ? 1 : 0)
}
