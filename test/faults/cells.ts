import { shown } from '../bench/report-style.js'
import type { Verdict } from './goals.js'
import type { Row } from './results.js'

/** The columns, and what is in them. */
export const HEAD = [
  'fault',
  'idempotent lost',
  'not idempotent lost beyond those in flight',
  'p99, ms (healthy)',
  'traffic left after',
  'back after',
  'load',
  'most load',
] as const

/** One row of the table; a row that was not measured says why. */
export function cellsOf({ name, on, result }: Row): readonly string[] {
  if (result.kind === 'not measured')
    return [name, `not measured: ${result.why}`, ...Array<string>(HEAD.length - 2).fill('')]
  const { figures, verdicts } = result
  const { idempotent, notIdempotent } = figures
  const cut = idempotent.cut === 0 ? '' : `, and ${idempotent.cut} after the head`
  const answered = idempotent.answered === 0 ? '' : `, and ${idempotent.answered} answered by an error`
  return [
    name,
    withVerdict(`${idempotent.lost} of ${idempotent.sent}${cut}${answered}`, verdicts.idempotent),
    `${notIdempotent.lostBeyond} of ${notIdempotent.sent}, in flight ${notIdempotent.lostInFlight}`,
    on === 'all'
      ? `- (${shown(figures.healthyP99Ms)})`
      : withVerdict(`${shown(figures.faultP99Ms)} (${shown(figures.healthyP99Ms)})`, verdicts.p99),
    on === 'one' ? departure(figures.departure) : '-',
    back(on, result),
    withVerdict(times(figures.load), on === 'all' ? undefined : verdicts.load),
    withVerdict(times(figures.peakLoad), on === 'all' ? verdicts.load : undefined),
  ]
}

type Measured = Extract<Row['result'], { readonly kind: 'measured' }>

function departure(departure: Measured['figures']['departure']): string {
  if (departure === undefined) return 'not known'
  return departure.kind === 'left' ? seconds(departure.afterMs) : 'it stays'
}

function back(on: Row['on'], { figures, verdicts }: Measured): string {
  if (on === 'none') return '-'
  if (on === 'all') {
    const { recoveryMs } = figures
    return withVerdict(
      recoveryMs === undefined ? 'not within the run' : seconds(recoveryMs),
      verdicts.recovery,
    )
  }
  switch (figures.back?.kind) {
    case 'back':
      return seconds(figures.back.afterMs)
    case 'away':
      return `not within ${seconds(figures.back.forMs)}`
    case 'never left':
    case undefined:
      return '-'
  }
}

function withVerdict(text: string, verdict: Verdict | undefined): string {
  return verdict === undefined ? text : `${text} ${verdict}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function times(ratio: number): string {
  return `x${ratio.toFixed(2)}`
}
