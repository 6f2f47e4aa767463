import type { Simulation } from './simulation.js'
import type { Span } from './scenario.js'
import type { Tally } from './tally.js'

/** What is reported of one span of one run. */
export interface Figures {
  readonly label: string
  readonly requests: number
  /** Milliseconds. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  /** Share of requests that failed, in percent. */
  readonly errors: number
  /** Of attempts per core and second over servers: standard deviation and largest, relative to the mean. */
  readonly deviation: number
  readonly largest: number
}

/** One for each span. */
export function figuresOf(simulation: Simulation, spans: readonly Span[]): readonly Figures[] {
  return spans.map((span, place) => {
    const tally = simulation.tallies[place]
    if (tally === undefined) throw new Error(`the simulation has no span ${place}`)
    const percentile = (percent: number): number => tally.latency.getValueAtPercentile(percent) / 1000
    return {
      label: span.label,
      requests: tally.arrived,
      p50: percentile(50),
      p90: percentile(90),
      p99: percentile(99),
      p999: percentile(99.9),
      errors: (tally.failed / tally.arrived) * 100,
      ...spreadOf(ratesOf(simulation, span, tally)),
    }
  })
}

// What was there for less has too few attempts for a rate.
const SHORTEST_S = 1

/** Attempts per core and second, of each server that clients knew for long enough. */
function ratesOf(simulation: Simulation, span: Span, tally: Tally): readonly number[] {
  return simulation.fleet.servers.flatMap((server) => {
    const presenceS = simulation.presenceS(server, span)
    if (presenceS < SHORTEST_S) return []
    return [(tally.attempts.get(server) ?? 0) / server.machine.cores / presenceS]
  })
}

function spreadOf(rates: readonly number[]): Pick<Figures, 'deviation' | 'largest'> {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  return { deviation: Math.sqrt(variance) / mean, largest: Math.max(...rates) / mean }
}
