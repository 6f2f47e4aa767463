import { AutoResetEvent } from '../pacing/auto-reset-event.js'
import type { Instance, Resolver, ResolverEvent, Snapshot } from '../discovery/resolver.js'

/** A resolver that says what a test tells it to. */
export class FakeResolver implements Resolver {
  readonly name: string = 'a fake resolver'
  #queue: ResolverEvent[] = []
  readonly #news = new AutoResetEvent()
  #watching = 0

  /** Watches that are open. */
  get watching(): number {
    return this.#watching
  }

  /** Announces a whole set, with whatever else `rest` says of it. */
  snapshot(instances: readonly Instance[], rest: Partial<Omit<Snapshot, 'kind' | 'instances'>> = {}): void {
    this.#push({ kind: 'snapshot', instances, excluded: [], ...rest })
  }

  /** Announces that the last set may be out of date. */
  stale(cause: Error): void {
    this.#push({ kind: 'stale', cause })
  }

  async *watch(_service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    const wake = (): void => this.#news.set()
    signal.addEventListener('abort', wake)
    this.#watching++
    try {
      while (!signal.aborted) {
        const event = this.#queue.shift()
        if (event === undefined) await this.#news.wait()
        else yield event
      }
    } finally {
      this.#watching--
      signal.removeEventListener('abort', wake)
    }
  }

  #push(event: ResolverEvent): void {
    this.#queue.push(event)
    this.#news.set()
  }
}

/** An instance of weight 1 at `origin`, with whatever `overrides` say. */
export function instanceAt(origin: string, overrides: Partial<Instance> = {}): Instance {
  const { host } = new URL(origin)
  return Object.freeze({
    key: `node/${host}@${host}`,
    origin,
    weight: 1,
    priority: 0,
    tags: [],
    meta: {},
    locality: {},
    ...overrides,
  })
}
