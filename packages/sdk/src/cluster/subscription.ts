import type { Clock, Timer } from '../clock.js'
import type { Resolver, ResolverEvent } from '../discovery/resolver.js'
import { asError, reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { inOwnContext } from '../runtime/own-context.js'

export interface FollowingOptions {
  readonly service: string
  readonly resolver: Resolver
  /** Without a use for so long, in milliseconds, it is time to stop; `Infinity`: it never is. */
  readonly idleMs: number
  /** The next event waits until it has been taken in; `signal`: nobody wants to know any longer. */
  readonly onEvent: (event: ResolverEvent, signal: AbortSignal) => Promise<void>
  /** Nobody has used it for long, and nobody waits: whoever hears of it may stop. */
  readonly onIdle: () => void
  /** Does anybody wait for an event? */
  readonly isAwaited: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** Follows discovery, with stops while nobody has a use for it. */
export class Following {
  /** Somebody has used the set; written by each pick. */
  used = false
  readonly #options: FollowingOptions
  /** Ends the watch; undefined while there is none. */
  #watching: AbortController | undefined
  #idling: Timer | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(options: FollowingOptions) {
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
    const { resolver, service, onEvent, logger } = this.#options
    for await (const event of resolver.watch(service, signal)) {
      if (signal.aborted) return
      try {
        await onEvent(event, signal)
      } catch (thrown) {
        // A resolver may be anybody's: what it gets wrong must not end the process, nor the watch.
        const reason = reasonOf(asError(thrown))
        logger.error(
          { service, reason },
          `${resolver.name} gave a set that cannot be used: the last one serves on`,
        )
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
