import { connectivityState as State, type experimental } from '@grpc/grpc-js'
import type { Clock, Timer } from '../clock.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { subchannelsOf, type PickSubchannel } from './picked-subchannel.js'

/** What the endpoint is unavailable by while no connection to it can be made. */
const REASON = 'connection_failed'

export interface LinkOptions {
  /** How long connecting may take, in milliseconds, before the endpoint is given up for the time being. */
  readonly connectTimeoutMs: () => number
  /** Whether it can be used has changed. */
  readonly onChange: () => void
  readonly clock: Clock
}

/**
 * One channel's connection to one endpoint, as grpc-js keeps it in a subchannel. Made for the first pick of the endpoint,
 * and connected then: what no call is picked for costs no connection. One that fails is tried again by the backoff of
 * grpc-js, and until it succeeds the endpoint is unavailable to all picks, with a reason that people can read.
 */
export class Link {
  readonly subchannel: experimental.SubchannelInterface
  /** The same for one pick. */
  readonly pick: PickSubchannel
  /** What the last attempt to connect failed by. */
  failure: string | undefined
  readonly #endpoint: Endpoint
  readonly #options: LinkOptions
  #state: 'idle' | 'connecting' | 'ready' | 'failed'
  #timer: Timer | undefined

  constructor(endpoint: Endpoint, subchannel: experimental.SubchannelInterface, options: LinkOptions) {
    this.#endpoint = endpoint
    this.subchannel = subchannel
    this.#options = options
    this.pick = subchannelsOf(subchannel)
    subchannel.ref()
    subchannel.addConnectivityStateListener(this.#changed)
    // The pool of grpc-js has it connected already where another channel uses it.
    this.#state = subchannel.getConnectivityState() === State.READY ? 'ready' : 'idle'
  }

  /** `failed` until a connection is made, also while another one is tried. */
  get state(): 'idle' | 'connecting' | 'ready' | 'failed' {
    return this.#state
  }

  /** Connects, unless that is done or under way. */
  connect(): void {
    if (this.#state !== 'idle') return
    this.#state = 'connecting'
    const { clock, connectTimeoutMs } = this.#options
    // grpc-js leaves the time to the machine, which gives up on a silent address after two minutes.
    this.#timer = clock.setTimer(() => this.#fail('no connection in time'), connectTimeoutMs())
    this.subchannel.startConnecting()
  }

  /** Lets go of it: calls that it carries finish, and grpc-js closes it then. */
  close(): void {
    this.#clearTimer()
    this.subchannel.removeConnectivityStateListener(this.#changed)
    this.subchannel.unref()
    if (this.#state === 'failed') this.#endpoint.lift(REASON)
    this.#state = 'idle'
  }

  readonly #changed: experimental.ConnectivityStateListener = (_of, _before, state, _keepalive, error) => {
    if (state === State.READY) this.#enter('ready')
    // The server has closed it, or has died; the next pick finds out.
    else if (state === State.IDLE && this.#state === 'ready') this.#enter('idle')
    else if (state === State.TRANSIENT_FAILURE) this.#fail(error)
  }

  #fail(failure = 'the connection failed'): void {
    this.failure = failure
    // When its backoff is over.
    this.subchannel.startConnecting()
    this.#enter('failed')
  }

  #enter(state: 'idle' | 'ready' | 'failed'): void {
    this.#clearTimer()
    const before = this.#state
    if (before === state) return
    this.#state = state
    if (state === 'failed') {
      const since = this.#options.clock.now()
      const about = { reason: REASON, kind: 'health', state: 'unavailable' } as const
      this.#endpoint.restrict({ ...about, since, until: undefined })
      this.#endpoint.unreachable(new Error(this.failure))
    } else if (before === 'failed') this.#endpoint.lift(REASON)
    this.#options.onChange()
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}
