import { build } from 'hdr-histogram-js'
import type { Balancer } from '@fairlead/sdk'
import type { Resilience } from '../client.js'
import { alike, usual, type Scenario, type Span } from '../scenario.js'
import { Simulation } from '../simulation.js'
import type { SimServer } from '../server.js'
import type { Tally } from '../tally.js'
import type { Fault } from './faults.js'

export interface FaultRunOptions {
  readonly fault: Fault
  readonly balancer: Balancer
  readonly resilience: Resilience
  readonly clients: number
  readonly servers: number
  readonly seed: number
  /** How long it lasts, and how long it is watched afterwards, in seconds. Default 20 and 40. */
  readonly faultS?: number
  readonly afterS?: number
}

/** How one kind of client came through one fault. */
export interface FaultFigures {
  /** Of the requests that began while it lasted, and of those after it: the share that failed, in percent. */
  readonly failed: number
  readonly failedAfter: number
  /** Milliseconds, of the same. */
  readonly p99: number
  readonly p99After: number
  /** Seconds until the struck servers got a tenth of their share or less; undefined: they always got more. */
  readonly leftS: number | undefined
  /** Seconds from its end until they got half of their share again; undefined: they did not. */
  readonly backS: number | undefined
  /** Attempts for each request while it lasted. */
  readonly amplification: number
}

// When it begins, and what the share of a server is measured in.
const BEGIN_S = 15
const CALM_S = 10
const STEP_S = 0.5

/** The same requests at the same times for each kind of client. Load 0.6: what is left of three zones can carry it. */
export async function faultRun(options: FaultRunOptions): Promise<FaultFigures> {
  const { fault, faultS = 20, afterS = 40, ...others } = options
  const endS = BEGIN_S + faultS
  const calm: Span = { label: 'calm', fromS: BEGIN_S - CALM_S, toS: BEGIN_S }
  const during = steps(BEGIN_S, endS)
  const after = steps(endS, endS + afterS)
  const scenario: Scenario = {
    ...{ name: fault.name, title: fault.title, about: '' },
    spans: [calm, ...during, ...after],
    machines: alike(usual),
    load: () => 0.6,
    unfold({ timeline, servers }) {
      const struck = fault.strikes(servers)
      timeline.after(BEGIN_S * 1000, () => struck.forEach(fault.begin))
      timeline.after(endS * 1000, () => struck.forEach(fault.end))
    },
  }
  const simulation = await new Simulation({ scenario, ...others }).run()
  const struck = fault.strikes(simulation.fleet.servers)
  const [healthy, ...tallies] = simulation.tallies
  const lasting = tallies.slice(0, during.length)
  const over = tallies.slice(during.length)
  const share = healthy === undefined ? 0 : (attemptsOn(struck, healthy) / CALM_S) * STEP_S
  const leftAt = lasting.findIndex((tally) => attemptsOn(struck, tally) <= share / 10)
  const backAt = over.findIndex((tally) => attemptsOn(struck, tally) >= share / 2)
  return {
    failed: failedShare(lasting),
    failedAfter: failedShare(over),
    p99: percentile99(lasting),
    p99After: percentile99(over),
    leftS: leftAt < 0 ? undefined : leftAt * STEP_S,
    backS: backAt < 0 ? undefined : backAt * STEP_S,
    amplification: attemptsOn(simulation.fleet.servers, ...lasting) / sum(lasting, ({ arrived }) => arrived),
  }
}

function steps(fromS: number, toS: number): readonly Span[] {
  return Array.from({ length: Math.round((toS - fromS) / STEP_S) }, (_, step) => ({
    label: '',
    fromS: fromS + step * STEP_S,
    toS: fromS + (step + 1) * STEP_S,
  }))
}

function attemptsOn(servers: readonly SimServer[], ...tallies: readonly Tally[]): number {
  return sum(tallies, ({ attempts }) => sum(servers, (server) => attempts.get(server) ?? 0))
}

function failedShare(tallies: readonly Tally[]): number {
  return (sum(tallies, ({ failed }) => failed) / sum(tallies, ({ arrived }) => arrived)) * 100
}

function percentile99(tallies: readonly Tally[]): number {
  const all = build({ highestTrackableValue: 10_000_000, numberOfSignificantValueDigits: 3 })
  for (const { latency } of tallies) all.add(latency)
  return all.getValueAtPercentile(99) / 1000
}

function sum<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0)
}
