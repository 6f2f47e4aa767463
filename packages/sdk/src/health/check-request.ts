import { errors, type Dispatcher } from 'undici'
import { asError } from '../errors.js'
import type { Abort } from '../transport/handler.js'
import type { ReleaseReason, Transport, TransportFactory, TransportRequest } from '../transport/transport.js'
import { failedBy } from './failed-by.js'
import type { CheckResult, HealthCheck } from './health-check.js'

/** What a response says of the health of who sent it. Each is asked for its word until it has one. */
export interface ResponseReader {
  /** The head of a final response. */
  head(statusCode: number, headers: readonly Buffer[]): CheckResult | undefined
  /** The whole of it; of one that is too long to be read, the beginning of its body. */
  end(body: Buffer, trailers: readonly Buffer[]): CheckResult
}

// So much of a response is read, so that its server may end it in order: of one that says how it is that is all.
const MOST_BYTES = 16_384

/**
 * A check by one request on a connection of its own, which is closed behind it: an endpoint that has stopped to accept
 * connections is found, no request waits for a check, and no check in the queue of requests.
 *
 * @param createTransport Its connections keep no process alive.
 */
export function checkByRequest(
  createTransport: TransportFactory,
  options: Dispatcher.DispatchOptions,
  createReader: () => ResponseReader,
): HealthCheck {
  return (instance, onResult) => {
    const request = new CheckRequest(options, createReader(), onResult)
    request.send(() => createTransport(instance, () => undefined))
    return () => request.cancel()
  }
}

class CheckRequest implements TransportRequest {
  carrier: object | undefined
  before: TransportRequest | undefined
  after: TransportRequest | undefined
  readonly options: Dispatcher.DispatchOptions
  readonly context = undefined
  written = false
  answered = false
  readonly #reader: ResponseReader
  readonly #onResult: (result: CheckResult) => void
  readonly #chunks: Buffer[] = []
  #received = 0
  #transport: Transport | undefined
  #abort: Abort | undefined
  #over = false

  constructor(
    options: Dispatcher.DispatchOptions,
    reader: ResponseReader,
    onResult: (result: CheckResult) => void,
  ) {
    this.options = options
    this.#reader = reader
    this.#onResult = onResult
  }

  send(open: () => Transport): void {
    try {
      this.#transport = open()
      this.#transport.send(this)
    } catch (thrown) {
      // Discovery has given an origin that is none.
      this.#finish('failed', failedBy(asError(thrown)))
    }
  }

  cancel(): void {
    this.#finish('cancelled', undefined)
  }

  onConnect(abort: Abort): void {
    this.#abort = abort
    this.written = true
    if (this.#over) abort(new errors.RequestAbortedError())
  }

  onResponseStarted(): void {
    this.answered = true
  }

  onHeaders(statusCode: number, headers: Buffer[]): boolean {
    // Interim responses (1xx) come before the one that counts.
    if (this.#over || statusCode < 200) return true
    const result = this.#reader.head(statusCode, headers)
    if (result !== undefined) this.#finish('cancelled', result)
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#received += chunk.length
    if (this.#received <= MOST_BYTES) this.#chunks.push(chunk)
    else this.#finish('cancelled', this.#read([]))
    return true
  }

  onComplete(trailers: Buffer[]): void {
    if (this.#over) return
    this.#finish('complete', this.#read(trailers))
  }

  onError(error: Error): void {
    // An endpoint that ends a connection before it has looked at a request of it is not unhealthy.
    if (!this.#over && this.#transport?.resend(this, error) === true) return
    this.#finish('failed', failedBy(error))
  }

  #read(trailers: readonly Buffer[]): CheckResult {
    return this.#reader.end(Buffer.concat(this.#chunks), trailers)
  }

  /** @param result Undefined: it is not to be told. */
  #finish(reason: ReleaseReason, result: CheckResult | undefined): void {
    if (this.#over) return
    this.#over = true
    const transport = this.#transport
    const end = new errors.RequestAbortedError()
    transport?.release(this, reason)
    if (reason === 'cancelled') this.#abort?.(end)
    void transport?.destroy(end)
    if (result !== undefined) this.#onResult(result)
  }
}
