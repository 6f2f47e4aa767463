import { errors, type Dispatcher } from 'undici'
import { nextTurn, type Clock, type Timer } from '../clock.js'
import { inOwnContext } from '../runtime/own-context.js'
import type { Abort } from '../transport/handler.js'
import type { Transport, TransportRequest } from '../transport/transport.js'

/** Hears of a request of ours. */
export interface ProbeListener {
  /** The head of its response, not an interim one (1xx). */
  onHead(statusCode: number, headers: Buffer[]): void
  onEnd(): void
}

/**
 * A request of ours to one endpoint, on its connections and beside its traffic: neither its circuit nor requests in
 * flight nor latency hear of it. It has a time of its own, which is also how long it can keep a process from its end.
 */
export class ProbeRequest implements TransportRequest {
  carrier: object | undefined
  before: TransportRequest | undefined
  after: TransportRequest | undefined
  readonly options: Dispatcher.DispatchOptions
  readonly context = undefined
  written = false
  answered = false
  readonly #timeoutMs: number
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #listener: ProbeListener
  #timer: Timer | undefined
  #abort: Abort | undefined
  #sent = false
  #over = false

  constructor(
    options: Dispatcher.DispatchOptions,
    timeoutMs: number,
    transport: Transport,
    clock: Clock,
    listener: ProbeListener,
  ) {
    this.options = options
    this.#timeoutMs = timeoutMs
    this.#transport = transport
    this.#clock = clock
    this.#listener = listener
  }

  /** In a later turn: who asks may be in the middle of a pick. */
  send(): void {
    inOwnContext(() => void nextTurn().then(() => this.#send()))
  }

  cancel(): void {
    if (!this.#end()) return
    if (this.#sent) this.#transport.release(this, 'cancelled')
    this.#abort?.(new errors.RequestAbortedError())
  }

  onConnect(abort: Abort): void {
    if (this.#over) abort(new errors.RequestAbortedError())
    else this.#abort = abort
    this.written = true
  }

  onHeaders(statusCode: number, headers: Buffer[]): boolean {
    // Interim responses (1xx) come before the one that counts.
    if (!this.#over && statusCode >= 200) this.#listener.onHead(statusCode, headers)
    return true
  }

  onData(): boolean {
    return true
  }

  onComplete(): void {
    if (this.#end()) this.#transport.release(this, 'complete')
  }

  onError(): void {
    if (this.#end()) this.#transport.release(this, 'failed')
  }

  #send(): void {
    if (this.#over) return
    this.#timer = this.#clock.setTimer(() => this.cancel(), this.#timeoutMs)
    this.#sent = true
    this.#transport.send(this)
  }

  /** False: it has ended before. */
  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#listener.onEnd()
    return true
  }
}
