import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'vitest'
import { parseOptions } from '../../../client-options.js'
import {
  FakeConsul,
  ManualClock,
  seededRandom,
  type FakeBackend,
  type FakeConsulStep,
} from '../../../testing/index.js'
import { until } from '../../../test-support/until.test.support.js'
import type { ConsulOptions } from '../options.js'
import { ConsulResolver } from '../resolver.js'
import type { Instance, ResolverEvent } from '../../resolver.js'
import { InFlight } from './in-flight.test.support.js'

export interface WorldOptions {
  readonly consul?: ConsulOptions
  /** What the agent's address has behind host and port. */
  readonly pathPrefix?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What becomes of the queries of health. */
  readonly script?: readonly FakeConsulStep[]
  readonly prepare?: (agent: FakeConsul) => void
}

/** A fake agent, a resolver on it, and a clock that moves from timer to timer while all else is at rest. */
export class World {
  readonly agent: FakeConsul
  readonly clock: ManualClock
  readonly resolver: ConsulResolver
  readonly #inFlight: InFlight
  readonly #watches: Watch[] = []

  private constructor(agent: FakeConsul, clock: ManualClock, options: WorldOptions) {
    const { consul, pathPrefix = '', environment = {} } = options
    this.agent = agent
    this.clock = clock
    this.#inFlight = new InFlight(agent.address)
    // Rules that are not about chains have nothing else going on.
    const given = { address: `${agent.address}${pathPrefix}`, serverPolicy: false, ...consul }
    const { consul: parsed } = parseOptions('orders', { consul: given }, environment)
    this.resolver = new ConsulResolver(parsed, clock, seededRandom(1))
  }

  static async of(options: WorldOptions, backend: FakeBackend): Promise<World> {
    const clock = new ManualClock()
    const agent = await FakeConsul.open({ clock, backend, script: options.script ?? [] })
    options.prepare?.(agent)
    return new World(agent, clock, options)
  }

  follow(service: string): Watch {
    const watch = new Watch(this, service)
    this.#watches.push(watch)
    return watch
  }

  /** Lets time pass until `condition` holds, or until the clock says `end`. */
  async pass(condition: () => boolean, end: number = Infinity): Promise<void> {
    const { clock } = this
    for (;;) {
      await this.#atRest(condition)
      if (condition()) return
      const delayMs = clock.nextDelayMs
      if (delayMs !== undefined && clock.now() + delayMs <= end) {
        await clock.advance(delayMs)
      } else if (end < Infinity) {
        await clock.advance(end - clock.now())
        await this.#atRest(condition)
        return
      } else {
        // A file is being read.
        await until(() => condition() || clock.nextDelayMs !== undefined || !this.#isBalanced())
      }
    }
  }

  /** Nothing is asked, and nothing is waited for. */
  async isQuiet(): Promise<void> {
    const { agent, clock } = this
    await until(() => agent.pending + this.#inFlight.asked + this.#inFlight.answered + clock.pending === 0)
  }

  /** Ends all watches, and sees to it that nothing is left of them. */
  async end(): Promise<void> {
    try {
      for (const watch of this.#watches) watch.end()
      await this.isQuiet()
    } finally {
      this.#inFlight.close()
      await this.agent.close()
    }
  }

  /** Every request has reached the agent, which holds it or goes on answering it indefinitely. */
  #isBalanced(): boolean {
    const { agent } = this
    return this.#inFlight.asked === agent.held && this.#inFlight.answered === agent.pending - agent.held
  }

  async #atRest(isOver: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000
    for (let turns = 0; turns < 5 && !isOver();) {
      await nextTurn()
      turns = this.#isBalanced() ? turns + 1 : 0
      if (performance.now() > deadline) throw new Error(`${this.agent.pending} requests do not end`)
    }
  }
}

/** One watch, event by event. */
export class Watch {
  /** When each event came, by the clock. */
  readonly times: number[] = []
  /** What the last set says of there being none. */
  empty: string | undefined
  readonly #world: World
  readonly #stop = new AbortController()
  readonly #events: AsyncIterator<ResolverEvent>
  #next: Promise<void> | undefined
  #result: IteratorResult<ResolverEvent> | undefined

  constructor(world: World, service: string) {
    this.#world = world
    this.#events = world.resolver.watch(service, this.#stop.signal)[Symbol.asyncIterator]()
  }

  /** Milliseconds between the last event and the one before it. */
  get tookMs(): number {
    return (this.times.at(-1) ?? 0) - (this.times.at(-2) ?? 0)
  }

  /** Waits for the next event, as text. */
  async next(): Promise<string> {
    void this.#ask()
    await this.#world.pass(() => this.#result !== undefined)
    return this.#taken()
  }

  /** Waits for the next event, as text, while the clock stands still. */
  async nextNow(): Promise<string> {
    await this.#ask()
    return this.#taken()
  }

  /** Lets time pass, and fails if there is an event. */
  async silentFor(ms: number): Promise<void> {
    void this.#ask()
    await this.#world.pass(() => this.#result !== undefined, this.#world.clock.now() + ms)
    expect(this.#result && this.#told(this.#result)).toBeUndefined()
  }

  /** As a caller that aborts its signal. */
  end(): void {
    this.#stop.abort()
  }

  /** As a caller that no longer listens, and says nothing. */
  async leave(): Promise<void> {
    await this.#events.return?.()
  }

  #ask(): Promise<void> {
    this.#next ??= this.#events.next().then((result) => {
      this.#result = result
    })
    return this.#next
  }

  #taken(): string {
    const result = this.#result
    if (result === undefined) throw new Error('no event')
    this.#next = undefined
    this.#result = undefined
    this.times.push(this.#world.clock.now())
    if (result.done !== true && result.value.kind === 'snapshot') this.empty = result.value.empty
    return this.#told(result)
  }

  #told(result: IteratorResult<ResolverEvent>): string {
    // Its port is another one each time.
    return result.done === true ? 'end' : told(result.value).replaceAll(this.#world.resolver.name, 'AGENT')
  }
}

const SHOWN = 10

/** An event as text: `set of 1 2*3; out: key (reason); suspect: why`. */
function told(event: ResolverEvent): string {
  if (event.kind === 'stale') return `stale: ${event.cause.message}`
  const { instances, excluded, suspect, policy } = event
  const names = instances.slice(0, SHOWN).map(nameOf).join(' ')
  const more = instances.length > SHOWN ? ` and ${instances.length - SHOWN} more` : ''
  return [
    `set of ${names || 'none'}${more}`,
    ...excluded.map(({ key, reason }) => `out: ${key} (${reason})`),
    ...(suspect === undefined ? [] : [`suspect: ${suspect}`]),
    ...(policy === undefined ? [] : [`policy: ${JSON.stringify(policy)}`]),
  ].join('; ')
}

/** The port of one at 10.0.0.1, else the origin; `*` and its weight, and `@` and its priority, unless they are usual. */
function nameOf({ origin, weight, priority }: Instance): string {
  const name = origin.replace(/^http:\/\/10\.0\.0\.1:/, '')
  return `${name}${weight === 1 ? '' : `*${weight}`}${priority === 0 ? '' : `@${priority}`}`
}
