import { styleText } from 'node:util'
import Table from 'cli-table3'
import type { Meter } from './meter.js'
import type { Orders } from './orders.js'
import { NO_BORDERS } from './table-style.js'
import { answered, endpointOf, shareOf, stateOf } from './traffic.js'

// As much as a terminal of 80 columns has left.
const BAR = 11

/** The state of things as tables, for a terminal. */
export function asTables(title: string, instances: readonly Orders[], meters: readonly Meter[]): string {
  return [title, ...meters.map((meter) => `\n${heading(meter)}\n${table(instances, meter)}`)].join('\n')
}

/** The same in four lines, for a log: a line for each instance, both clients beside each other. */
export function asLines(time: string, instances: readonly Orders[], meters: readonly Meter[]): string {
  const cell = (texts: readonly string[]): string => texts.join(' ').padEnd(46)
  const head = meters.map((meter) => {
    const { failed } = meter.traffic.tally()
    return cell([`${meter.traffic.name}: ${rate(meter)}, ${failed} failed, ${freshness(meter)}`])
  })
  const rows = instances.map((instance) => {
    const cells = meters.map((meter) => {
      const [share, inflight, latency, state] = figures(instance, meter)
      return cell([share.padStart(6), inflight.padStart(3), 'in flight', latency.padStart(8), '', state])
    })
    return [`${instance.id}, weight ${instance.weight}`, ...cells].join('  ').trimEnd()
  })
  return [`${time.padEnd(18)}  ${head.join('  ').trimEnd()}`, ...rows].join('\n')
}

function heading(meter: Meter): string {
  const { name, way } = meter.traffic
  const tally = meter.traffic.tally()
  const failed = `${tally.failed} failed`
  const state = freshness(meter)
  return [
    `${styleText('bold', name)} (${way})`,
    `  ${rate(meter)}, ${answered(tally).toLocaleString('en')} answered, ` +
      `${tally.failed > 0 ? styleText('red', failed) : failed}, ` +
      `discovery ${state === 'fresh' ? state : styleText('yellow', state)}`,
  ].join('\n')
}

function table(instances: readonly Orders[], meter: Meter): string {
  const shown = new Table({
    head: ['instance', 'weight', 'share of requests', 'in flight', 'latency', 'state'],
    colWidths: [17, 8, 20, 11, 10, 13],
    colAligns: ['left', 'right', 'left', 'right', 'right', 'left'],
    chars: NO_BORDERS,
    style: { head: ['dim'], border: [], compact: true },
  })
  for (const instance of instances) {
    const [share, inflight, latency, state] = figures(instance, meter)
    const bar = '█'.repeat(Math.round(shareOf(instance.id, meter.recent) * BAR))
    shown.push([
      `${instance.id} ${instance.language}`,
      String(instance.weight),
      `${share.padStart(6)} ${bar}`,
      inflight,
      latency,
      styleText(state === 'in use' ? 'green' : 'red', state),
    ])
  }
  return shown.toString()
}

/** Share, in flight, latency, state. */
function figures({ id }: Orders, meter: Meter): [string, string, string, string] {
  const inspection = meter.traffic.inspection()
  const endpoint = endpointOf(id, inspection)
  return [
    `${(shareOf(id, meter.recent) * 100).toFixed(1)}%`,
    endpoint === undefined ? '-' : String(endpoint.inflight),
    endpoint === undefined ? '-' : `${endpoint.latencyMs.toFixed(1)} ms`,
    stateOf(id, inspection),
  ]
}

function rate(meter: Meter): string {
  return `${Math.round(meter.rate)} req/s`
}

function freshness(meter: Meter): string {
  return meter.traffic.inspection().freshness
}
