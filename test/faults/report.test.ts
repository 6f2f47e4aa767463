import { expect, test } from 'vitest'
import { cellsOf, HEAD } from './cells.js'
import { pageOf } from './page.js'
import { FULL } from './plan.js'
import { render } from './report.js'
import type { Results, Row } from './results.js'
import { judge } from './goals.js'
import { WELL } from './results.test.support.js'
import type { Figures } from './figures.js'

function row(on: Row['on'], figures: Partial<Figures> = {}, more: Partial<Row> = {}): Row {
  const all = { ...WELL, ...figures }
  return {
    subject: 'sdk',
    name: `fault-of-${on}`,
    about: 'it is hit with a hammer',
    on,
    result: { kind: 'measured', figures: all, verdicts: judge({ on, setting: 'default' }, all), reasons: [] },
    ...more,
  }
}

const NOT_MEASURED = row(
  'one',
  {},
  { result: { kind: 'not measured', why: 'there is no iptables' }, name: 'half-open' },
)

function resultsOf(...rows: readonly Row[]): Results {
  return {
    startedAt: '2026-12-01T10:00:00.000Z',
    seconds: 12.4,
    quick: false,
    machine: {
      node: 'v20',
      v8: '11',
      platform: 'linux x64',
      cpu: 'a CPU',
      cores: 2,
      memoryMiB: 4096,
      placement: { subject: undefined, load: undefined, unpinned: 'none' },
    },
    ratePerSecond: 2000,
    instances: 4,
    plan: FULL,
    rows,
  }
}

test('a row has its figures, each with whether its goal is kept', () => {
  expect(cellsOf(row('one', { idempotent: { sent: 900, lost: 2, cut: 3, answered: 0 } }))).toEqual([
    'fault-of-one',
    '2 of 900, and 3 after the head MISSED',
    '0 of 100, in flight 0',
    '5.00 (4.00) kept',
    '0.3 s',
    '1.9 s',
    'x1.05 kept',
    'x1.10',
  ])
  expect(
    cellsOf(row('one', { departure: { kind: 'stayed' }, back: { kind: 'never left' } })).slice(4, 6),
  ).toEqual(['it stays', '-'])
  expect(cellsOf(row('one', { back: { kind: 'away', forMs: 12_000 } }))[5]).toBe('not within 12.0 s')
})

test('where all fail it is the recovery and the most load that count', () => {
  expect(cellsOf(row('all', { recoveryMs: undefined, peakLoad: 1.3 })).slice(1)).toEqual([
    '0 of 900',
    '0 of 100, in flight 0',
    '- (4.00)',
    '-',
    'not within the run MISSED',
    'x1.05',
    'x1.30 MISSED',
  ])
})

test('a row that was not measured says why, in the terminal and on the page', () => {
  expect(cellsOf(NOT_MEASURED)).toHaveLength(HEAD.length)
  const results = resultsOf(row('none'), NOT_MEASURED)
  for (const text of [render(results), pageOf(results)]) {
    expect(text).toContain('not measured: there is no iptables')
    expect(text).toContain('Goals kept: 3; missed: 0; rows not measured: 1.')
  }
})

test('a load that was not well without a fault is told of before anything else', () => {
  const well = resultsOf(row('none'), row('one'))
  const unwell = resultsOf(row('none', { healthyP99Ms: 300 }), row('one'))
  const said = 'The load was not well without a fault'
  for (const show of [render, pageOf]) {
    expect(show(well)).not.toContain(said)
    expect(show(unwell)).toContain(said)
  }
})

test('what was lost is told by its reasons, and a load that was late as such', () => {
  const figures = { ...WELL, lateP99Ms: 80 }
  const reasons = [
    ['DEADLINE_EXCEEDED', 12],
    ['status 503', 3],
  ] as const
  const lossy = row('one', {}, { result: { kind: 'measured', figures, verdicts: {}, reasons } })
  expect(render(resultsOf(lossy))).toContain('fault-of-one: 12 DEADLINE_EXCEEDED, 3 status 503')
  expect(render(resultsOf(lossy))).toContain('fault-of-one: the load itself was late (p99 80.0 ms)')
  expect(pageOf(resultsOf(lossy))).toContain('| fault-of-one | 12 DEADLINE_EXCEEDED, 3 status 503 |')
})

test('the page tells what is done, once for both subjects, and a missed goal stands out', () => {
  const missed = { idempotent: { sent: 900, lost: 2, cut: 0, answered: 0 } }
  const page = pageOf(resultsOf(row('one', missed), row('one', {}, { subject: 'sidecar' })))
  expect(page).toContain('2 of 900 **MISSED**')
  expect(page.indexOf('## The SDK')).toBeLessThan(page.indexOf('## The sidecar'))
  expect(page.match(/it is hit with a hammer/g)).toHaveLength(1)
})
