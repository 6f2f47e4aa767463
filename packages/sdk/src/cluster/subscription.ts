import type { Clock, Timer } from '../clock.js'
import type { Resolver, ResolverEvent } from '../discovery/resolver.js'
import { asError } from '../errors.js'
import type { Events } from '../observe/events.js'
import { inOwnContext } from '../runtime/own-context.js'

export interface SubscriptionOptions {
  readonly service: string
  readonly resolver: Resolver
  /** Without a use for so long, in milliseconds, it is time to stop; `Infinity`: it never is. */
  readonly idleMs: number
  /** The next event waits until it has been taken in; `signal`: it is not wanted any longer. */
  readonly onEvent: (event: ResolverEvent, signal: AbortSignal) => Promise<void>
  /** It has not been used for long, and is not awaited: time to stop. */
  readonly onIdle: () => void
  /** Is an event awaited? */
  readonly isAwaited: () => boolean
  readonly clock: Clock
  readonly events: Events
}

/** Follows discovery, with stops while it is not used. */
export class Subscription {
  /** The set has been used; written by each pick. */
  used = false
  readonly #options: SubscriptionOptions
  /** Ends the watch; undefined while there is none. */
  #watching: AbortController | undefined
  #idling: Timer | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(options: SubscriptionOptions) {
    this.#options = options
  }

  get active(): boolean {
    return this.#watching !== undefined
  }

  start(): void {
    if (this.#watching !== undefined) return
    this.#watching = new AbortController()
    const { signal } = this.#watching
    // The request that it begins with is not the one that it goes on for.
    this.#ended = inOwnContext(() => this.#run(signal))
    this.#awaitIdleness()
  }

  /** Resolves when the watch has ended. */
  stop(): Promise<void> {
    this.#watching?.abort()
    this.#watching = undefined
    if (this.#idling !== undefined) this.#options.clock.clearTimer(this.#idling)
    this.#idling = undefined
    return this.#ended
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { resolver, service, onEvent, events } = this.#options
    for await (const event of resolver.watch(service, signal)) {
      if (signal.aborted) return
      try {
        await onEvent(event, signal)
      } catch (thrown) {
        // A resolver may be the user's: what it gets wrong must not end the process, nor the watch.
        const error = asError(thrown)
        events.publish({ type: 'discovery:invalid', service, resolver: resolver.name, error })
      }
    }
  }

  /** Looks once in each `idleMs`, so that a pick pays for nothing: the end comes after one to two of them. */
  #awaitIdleness(): void {
    const { clock, idleMs, onIdle, isAwaited } = this.#options
    this.used = false
    if (idleMs === Infinity) return
    this.#idling = clock.setTimer(() => {
      if (this.used || isAwaited()) this.#awaitIdleness()
      else onIdle()
    }, idleMs)
  }
}
