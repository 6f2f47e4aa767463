import type { Clock, Timer } from '../clock.js'
import { placeOf } from '../discovery/place.js'
import type { Instance, Snapshot } from '../discovery/resolver.js'
import type { Endpoint, RetainedObserver } from '../endpoint/endpoint.js'
import { addressOf } from '../discovery/origin.js'
import { few } from '../logger.js'
import type { Events } from '../observe/events.js'
import type { Governed, RemovalGovernor, Retained } from './removal-governor.js'

export interface RetainedOptions {
  readonly service: string
  /** Undefined: what is no longer listed is gone. */
  readonly governor: RemovalGovernor | undefined
  /** Something is retained no longer, by the word of traffic or time. */
  readonly onEnd: () => void
  readonly clock: Clock
  readonly events: Events
}

/** What would be retained after a set of discovery, once that has proved to be usable. */
export interface Retention {
  readonly all: readonly Retained[]
  /** From now on it is so. */
  adopt(): void
}

/** What is retained although discovery no longer lists it, until discovery, traffic or time decides. */
export class RetainedInstances implements RetainedObserver {
  readonly #options: RetainedOptions
  #expiry: Timer | undefined
  #ending = false
  #closed = false

  constructor(options: RetainedOptions) {
    this.#options = options
  }

  get all(): readonly Retained[] {
    return this.#options.governor?.retained ?? []
  }

  /** What a set of discovery would change; nothing has until it is adopted. */
  consider(snapshot: Snapshot): Retention {
    const { governor, clock } = this.#options
    if (governor === undefined) return { all: [], adopt: () => undefined }
    const considered = governor.consider(snapshot, clock.now())
    return {
      get all() {
        return considered.retained
      },
      adopt: () => {
        considered.adopt()
        this.#publish(snapshot, considered.changes)
        this.#arm()
      },
    }
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
    const { governor, clock, events, service } = this.#options
    // Its time only moves away, so the timer may stay as it is.
    if (governor?.confirm(placeOf(endpoint.instance), clock.now()) !== true) return
    events.publish({ type: 'retained:confirmed', service, endpoint: endpoint.address })
  }

  unreachable(endpoint: Endpoint, reason: string): void {
    const { governor, events, service } = this.#options
    if (governor?.drop(placeOf(endpoint.instance)) !== true) return
    events.publish({ type: 'retained:unreachable', service, endpoint: endpoint.address, reason })
    this.#endSoon()
  }

  /** The lease that tells us is in the middle of its end: what follows is for the next turn, once for all of this. */
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
    const { governor, clock, events, service, onEnd } = this.#options
    const over = governor?.expire(clock.now()) ?? []
    if (over.length > 0) {
      const removed = few(over, ({ instance }) => addressOf(instance))
      events.publish({ type: 'retained:expired', service, removed })
      onEnd()
    }
    this.#arm()
  }

  #publish({ instances }: Snapshot, { begun, reason, returned, released }: Governed): void {
    const { events, service } = this.#options
    if (reason !== undefined) {
      events.publish({
        type: 'retained:begun',
        service,
        instances: instances.length,
        retained: addressesOf(begun),
        reason: reason.kind === 'suspect' ? reason.suspect : 'too many are gone at once',
      })
    }
    if (returned.length > 0) {
      events.publish({ type: 'retained:returned', service, returned: addressesOf(returned) })
    }
    if (released.length > 0) {
      events.publish({ type: 'retained:released', service, removed: addressesOf(released) })
    }
  }
}

function addressesOf(instances: readonly Instance[]): readonly string[] {
  return few(instances, addressOf)
}
