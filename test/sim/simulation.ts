import type { Balancer, Random } from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { SimClient, type Resilience } from './client.js'
import { exponential, type Work } from './draws.js'
import { Fleet } from './fleet.js'
import { MEAN_WORK_US, usualWork, type Scenario, type Span } from './scenario.js'
import type { SimServer } from './server.js'
import { Tally } from './tally.js'
import { Happening, Timeline } from './timeline.js'

export interface SimulationOptions {
  readonly scenario: Scenario
  readonly balancer: Balancer
  readonly clients: number
  readonly servers: number
  readonly seed: number
  /** Default: log-normal. */
  readonly work?: Work
  /** Default: that of a client that is told nothing. */
  readonly resilience?: Resilience
}

/** What every request is given, in milliseconds. */
export const TIMEOUT_MS = 1000

/** One run of one policy through one scenario. */
export class Simulation {
  readonly timeline: Timeline = new Timeline()
  readonly fleet: Fleet
  readonly clients: readonly SimClient[]
  /** One for each span. */
  readonly tallies: readonly Tally[]
  /** Of what began in no span. */
  readonly rest: Tally = new Tally()
  readonly #spans: readonly Span[]

  constructor(options: SimulationOptions) {
    const { scenario, balancer, clients, servers, seed, work = usualWork, resilience = {} } = options
    const { timeline } = this
    // A stream of its own for everything, so that no policy changes what another one meets.
    const stream = (place: number): Random => seededRandom(seed * 10_000 + place)
    this.#spans = scenario.spans
    this.tallies = scenario.spans.map(() => new Tally())
    this.clients = Array.from(
      { length: clients },
      (_, place) =>
        new SimClient({
          ...{ balancer, timeoutMs: TIMEOUT_MS, resilience, timeline },
          random: stream(100 + place),
          jitter: stream(5000 + place),
        }),
    )
    this.fleet = new Fleet(this.clients, timeline, stream(1))
    const first = scenario.machines(servers).map((machine) => this.fleet.start(machine))
    this.fleet.open(first)
    scenario.unfold?.({ timeline, fleet: this.fleet, servers: first, random: stream(2) })
    const cores = first.reduce((sum, { machine }) => sum + machine.cores, 0)
    new Arrivals(this, scenario.load, { perUs: cores / MEAN_WORK_US, work, random: stream(3) }).begin()
  }

  /** The end of the last span. */
  get endS(): number {
    return this.#spans.at(-1)?.toS ?? 0
  }

  /** To the end, and on until all that was counted has ended. */
  async run(): Promise<this> {
    await this.timeline.runUntil(this.endS * 1e6 + (TIMEOUT_MS + 1) * 1000)
    return this
  }

  /** Where to count a request that begins now. */
  tallyNow(): Tally {
    const nowS = this.timeline.nowUs / 1e6
    const place = this.#spans.findIndex(({ fromS, toS }) => nowS >= fromS && nowS < toS)
    return this.tallies[place] ?? this.rest
  }

  /** For how much of a span clients knew a server, in seconds. */
  presenceS({ listedAt, unlistedAt }: SimServer, { fromS, toS }: Span): number {
    return Math.max(0, Math.min(unlistedAt / 1000, toS) - Math.max(listedAt / 1000, fromS))
  }
}

interface ArrivalOptions {
  /** Requests a microsecond that are load 1. */
  readonly perUs: number
  readonly work: Work
  readonly random: Random
}

const PROBES_A_SECOND = 20

/**
 * Requests as a Poisson process, whatever becomes of them: users do not wait for each other. One process whose requests
 * go to random clients is the same as one for each client.
 */
class Arrivals extends Happening {
  readonly #simulation: Simulation
  readonly #load: (atS: number) => number
  readonly #options: ArrivalOptions
  readonly #peak: number
  readonly #meanUs: number

  constructor(simulation: Simulation, load: (atS: number) => number, options: ArrivalOptions) {
    super()
    this.#simulation = simulation
    this.#load = load
    this.#options = options
    const looks = Math.ceil(simulation.endS * PROBES_A_SECOND)
    this.#peak = Math.max(...Array.from({ length: looks }, (_, look) => load(look / PROBES_A_SECOND)))
    this.#meanUs = 1 / (options.perUs * this.#peak)
  }

  begin(): void {
    const { random } = this.#options
    this.#simulation.timeline.schedule(this, Math.round(exponential(this.#meanUs, random)))
  }

  happen(): void {
    const { timeline, clients } = this.#simulation
    const { random, work } = this.#options
    this.begin()
    // Thinned out: as many as at the peak are drawn, and those above the present load left out.
    if (random.next() * this.#peak >= this.#load(timeline.nowUs / 1e6)) return
    const client = clients[Math.floor(random.next() * clients.length)]
    client?.send(work(random), this.#simulation.tallyNow())
  }
}
