import type { Clock, Timer } from '../clock.js'
import { placeOf } from '../discovery/place.js'
import type { Instance, Snapshot } from '../discovery/resolver.js'
import { few, type Logger } from '../logger.js'
import type { Endpoint, ReserveWitness } from '../endpoint/endpoint.js'
import type { Held, RemovalGovernor, Verdict } from './removal-governor.js'

export interface ReserveOptions {
  readonly service: string
  /** Undefined: what is no longer listed is gone. */
  readonly governor: RemovalGovernor | undefined
  /** Something is held no longer, by the word of traffic or time. */
  readonly onEnd: () => void
  readonly clock: Clock
  readonly logger: Logger
}

/** What is kept although discovery no longer lists it, until discovery, traffic or time decides; says so in the log. */
export class Reserve implements ReserveWitness {
  readonly #options: ReserveOptions
  #expiry: Timer | undefined
  #ending = false
  #closed = false

  constructor(options: ReserveOptions) {
    this.#options = options
  }

  get held(): readonly Held[] {
    return this.#options.governor?.held ?? []
  }

  /** Takes in a set of discovery. */
  take(snapshot: Snapshot): void {
    const { governor, clock } = this.#options
    if (governor === undefined) return
    this.#report(snapshot, governor.govern(snapshot, clock.now()))
    this.#arm()
  }

  /** Discovery is not followed for now. */
  lapse(): void {
    this.#options.governor?.lapse()
  }

  close(): void {
    this.#closed = true
    this.#disarm()
  }

  answered(endpoint: Endpoint): void {
    const { governor, clock, logger, service } = this.#options
    // Its time only moves away, so the timer may stay as it is.
    if (governor?.confirm(placeOf(endpoint.instance), clock.now()) !== true) return
    logger.warn(
      { service, endpoint: endpoint.address },
      'an instance that discovery no longer lists answers: it stays in reserve',
    )
  }

  unreachable(endpoint: Endpoint, reason: string): void {
    const { governor, logger, service } = this.#options
    if (governor?.drop(placeOf(endpoint.instance)) !== true) return
    logger.warn(
      { service, endpoint: endpoint.address, reason },
      'an instance that discovery no longer lists does not serve either: it is gone',
    )
    this.#endSoon()
  }

  /** The exchange that tells us is in the middle of its end: what follows is for the next turn, once for all of this. */
  #endSoon(): void {
    if (this.#ending) return
    this.#ending = true
    queueMicrotask(() => {
      this.#ending = false
      if (!this.#closed) this.#options.onEnd()
    })
  }

  /** One timer for whatever is over first. */
  #arm(): void {
    this.#disarm()
    const { governor, clock } = this.#options
    const next = this.#closed ? undefined : governor?.nextExpiry
    if (next !== undefined) this.#expiry = clock.setTimer(() => this.#expire(), next - clock.now())
  }

  #disarm(): void {
    if (this.#expiry !== undefined) this.#options.clock.clearTimer(this.#expiry)
    this.#expiry = undefined
  }

  #expire(): void {
    const { governor, clock, logger, service, onEnd } = this.#options
    const over = governor?.expire(clock.now()) ?? []
    if (over.length > 0) {
      logger.warn(
        { service, removed: few(over, ({ instance }) => instance.origin) },
        'instances in reserve are still not listed: they are gone',
      )
      onEnd()
    }
    this.#arm()
  }

  #report({ instances }: Snapshot, { begun, reason, returned, released }: Verdict): void {
    const { logger, service } = this.#options
    if (reason !== undefined) {
      logger.warn(
        {
          service,
          instances: instances.length,
          reserve: few(begun, originOf),
          reason: reason.kind === 'doubt' ? reason.doubt : 'too many are gone at once',
        },
        'discovery no longer lists instances, and that is hard to believe: they stay in reserve for a while',
      )
    }
    if (returned.length > 0)
      logger.info({ service, returned: few(returned, originOf) }, 'instances in reserve are listed again')
    if (released.length > 0) {
      logger.info(
        { service, removed: few(released, originOf) },
        'instances in reserve are gone, by an answer that can be believed',
      )
    }
  }
}

function originOf({ origin }: Instance): string {
  return origin
}
