import type { Dispatcher } from 'undici'
import { asError } from '../errors.js'
import { toDispatchHandler, type Abort, type Handler } from '../transport/handler.js'
import { BodyReader } from './body-reader.js'
import { Decoding, decodersFor } from './decoding.js'
import { responseOf } from './fetched-response.js'
import type { FetchRequest } from './fetch-request.js'
import { IncomingBody, type BodySink, type BodySource } from './incoming-body.js'
import { OutgoingStream } from './outgoing-stream.js'
import { isRedirect, redirected } from './redirect.js'
import { valueIn } from '../request/raw-headers.js'

/** What all calls of a client share. */
export interface FetchContext {
  readonly dispatcher: Dispatcher
  /** Notices that a body has become unreachable. */
  readonly unreachable: FinalizationRegistry<IncomingBody>
}

/** Who waits for the response. */
export interface FetchCaller {
  resolve(response: Response): void
  reject(error: unknown): void
}

/** https://fetch.spec.whatwg.org/#null-body-status */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** So much of an unwanted body is read, to keep the connection; it goes with more. */
const WORTH_DRAINING_BYTES = 128 * 1024

/** One request of `fetch` and its response. A redirect that is followed is a call of its own, with the same end. */
export class FetchCall implements Handler, BodySource {
  readonly #context: FetchContext
  readonly #request: FetchRequest
  /** Undefined once there is an answer: a promise holds it, and then nothing of the connection may hold the promise. */
  #caller: FetchCaller | undefined
  #abort: Abort | undefined
  #resume: (() => void) | undefined
  #body: BodySink | undefined
  #drained = 0
  #ended = false

  constructor(context: FetchContext, request: FetchRequest, caller: FetchCaller) {
    this.#context = context
    this.#request = request
    this.#caller = caller
  }

  start(): void {
    const {
      target,
      method,
      headers,
      body,
      signal,
      dispatcher = this.#context.dispatcher,
      policy,
    } = this.#request
    if (signal?.aborted === true) {
      this.handleEvent()
      return
    }
    signal?.addEventListener('abort', this)
    const options = { origin: target.origin, path: target.path, method, headers, body, ...policy }
    try {
      dispatcher.dispatch(options as unknown as Dispatcher.DispatchOptions, toDispatchHandler(this))
    } catch (error) {
      this.onError(asError(error))
    }
  }

  /** The signal was aborted. */
  handleEvent(): void {
    const reason: unknown = this.#request.signal?.reason
    this.#end()
    this.#abortRequest(reason)
    this.#body?.fail(reason)
    this.#takeCaller()?.reject(reason)
  }

  onConnect(abort: Abort): void {
    this.#abort = abort
    if (this.#request.signal?.aborted === true) this.#abortRequest(this.#request.signal.reason)
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, statusText: string): boolean {
    // Interim responses are of no concern to the caller of fetch.
    if (status < 200) return true
    this.#resume = resume
    // Aborted meanwhile.
    if (this.#caller === undefined) return true
    try {
      this.#answer(status, rawHeaders, statusText)
    } catch (error) {
      this.#fail(asError(error))
    }
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.#body !== undefined) return this.#body.push(chunk)
    this.#drained += chunk.byteLength
    if (this.#drained > WORTH_DRAINING_BYTES)
      this.#abortRequest(new DOMException('The body is not wanted', 'AbortError'))
    return true
  }

  onComplete(): void {
    this.#end()
    this.#body?.end()
  }

  onError(error: Error): void {
    // It was ours, and has been reported.
    if (this.#ended) return
    this.#end()
    this.#cancelUpload(error)
    this.#body?.fail(new TypeError('terminated', { cause: error }))
    this.#takeCaller()?.reject(failed(error))
  }

  // As the source of its body.
  resume(): void {
    this.#resume?.()
  }

  cancel(reason: unknown): void {
    this.#end()
    this.#abortRequest(reason)
  }

  #answer(status: number, rawHeaders: Buffer[], statusText: string): void {
    const { method, redirect, signal, target, type, redirects } = this.#request
    if (isRedirect(status) && redirect !== 'manual') {
      if (redirect === 'error') throw new Error('unexpected redirect')
      const location = valueIn(rawHeaders, 'location')
      if (location !== undefined) {
        this.#follow(redirected(this.#request, status, location))
        return
      }
    }
    // There is no proxy between, so a service has no business to say it (the standard, HTTP-network-or-cache fetch, 15).
    if (status === 407) throw new Error('proxy authentication required')
    const hasBody = method !== 'HEAD' && !NULL_BODY.has(status)
    const reader = hasBody ? this.#receive(rawHeaders, signal) : undefined
    const head = { status, statusText, rawHeaders, target, type, redirected: redirects > 0 }
    this.#takeCaller()?.resolve(responseOf(head, reader))
  }

  #receive(rawHeaders: readonly Buffer[], signal: AbortSignal | undefined): BodyReader {
    const { unreachable } = this.#context
    const encoding = valueIn(rawHeaders, 'content-encoding')
    const decoders = encoding === undefined ? [] : decodersFor(encoding)
    if (decoders.length === 0) {
      const body = new IncomingBody(this, unreachable)
      this.#body = body
      return new BodyReader(body, signal)
    }
    const decoding = new Decoding(this, decoders)
    const body = new IncomingBody(decoding, unreachable)
    this.#body = decoding.into(body)
    return new BodyReader(body, signal)
  }

  #follow(next: FetchRequest): void {
    const caller = this.#takeCaller()
    // What remains of this one is drained, and no longer the signal's.
    this.#end()
    if (caller !== undefined) new FetchCall(this.#context, next, caller).start()
  }

  /** The response is not to be had. */
  #fail(error: Error): void {
    this.#end()
    this.#abortRequest(error)
    this.#takeCaller()?.reject(failed(error))
  }

  /** Aborts the request and its upload. */
  #abortRequest(reason: unknown): void {
    this.#cancelUpload(reason)
    this.#abort?.(asError(reason))
  }

  #cancelUpload(reason: unknown): void {
    const { body } = this.#request
    if (body instanceof OutgoingStream) body.cancel(reason)
  }

  #takeCaller(): FetchCaller | undefined {
    const caller = this.#caller
    this.#caller = undefined
    return caller
  }

  #end(): void {
    this.#ended = true
    this.#request.signal?.removeEventListener('abort', this)
  }
}

function failed(cause: Error): TypeError {
  return new TypeError('fetch failed', { cause })
}
