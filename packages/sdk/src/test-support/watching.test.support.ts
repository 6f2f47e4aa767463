import type { Instance, Resolver, ResolverEvent, Snapshot } from '../discovery/resolver.js'
import type { ManualClock } from '../testing/manual-clock.js'
import { until } from './until.test.support.js'

/** One watch, its events in the order in which they came; manual time passes only while a test waits. */
export class Watching implements AsyncDisposable {
  readonly events: ResolverEvent[] = []
  /** What became of it; undefined while it goes on. */
  end: 'ended' | Error | undefined
  readonly #clock: ManualClock
  readonly #stop = new AbortController()
  #read = 0

  constructor(resolver: Resolver, service: string, clock: ManualClock) {
    this.#clock = clock
    void this.#follow(resolver, service)
  }

  /** Events that have not been read. */
  get unread(): readonly ResolverEvent[] {
    return this.events.slice(this.#read)
  }

  /** The next event that has not been read. */
  async next(): Promise<ResolverEvent> {
    await this.until(() => this.events.length > this.#read)
    return this.events[this.#read++] as ResolverEvent
  }

  /** The next event that comes without any manual time passing. */
  async atOnce(): Promise<ResolverEvent> {
    await until(() => this.events.length > this.#read)
    return this.next()
  }

  async snapshot(next: Promise<ResolverEvent> = this.next()): Promise<Snapshot> {
    const event = await next
    if (event.kind === 'snapshot') return event
    throw new Error(`a snapshot was due, and it said: ${event.cause.message}`)
  }

  async stale(): Promise<string> {
    const event = await this.next()
    if (event.kind === 'stale') return event.cause.message
    throw new Error(`it was to be stale, and it said: ${JSON.stringify(event.instances)}`)
  }

  /** The origins of the next event, a snapshot. */
  async origins(): Promise<string[]> {
    return originsOf((await this.snapshot()).instances)
  }

  /** Lets time pass, manual and real in turns, until `condition` holds: a watch waits for the one and the other. */
  async until(condition: () => boolean, stepMs = 200): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`not within 10 s: ${String(condition)}`)
      await this.#clock.advance(stepMs)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** Lets this much manual time pass, and some real time with each step of it. */
  async pass(ms: number): Promise<void> {
    const end = this.#clock.now() + ms
    await this.until(() => this.#clock.now() >= end, Math.max(200, ms / 40))
  }

  /** Lets manual time pass at once, and waits in real time until the watch waits for the clock again. */
  async step(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    await until(() => this.#clock.pending > 0)
  }

  abort(): void {
    this.#stop.abort()
  }

  /** Aborts, and waits for the end in real time only: no timer may have to fire for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort()
    await until(() => this.end !== undefined)
    if (this.end instanceof Error) throw this.end
  }

  async #follow(resolver: Resolver, service: string): Promise<void> {
    try {
      for await (const event of resolver.watch(service, this.#stop.signal)) this.events.push(event)
      this.end = 'ended'
    } catch (error) {
      this.end = error as Error
    }
  }
}

export function originsOf(instances: readonly Instance[]): string[] {
  return instances.map(({ origin }) => origin)
}
