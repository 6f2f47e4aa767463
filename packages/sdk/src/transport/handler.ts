import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { errors, util, type Dispatcher } from 'undici'

/**
 * The callbacks of one dispatch, in the shape that undici 7's clients call themselves: headers as they came off
 * the wire, backpressure as a return value. Everything inside Fairlead speaks it. The newer shape
 * (`onRequestStart`, ...) is translated once at the edge: underneath, undici would translate it back for each
 * attempt, parsing all headers on the way (measured: 1.5 µs a request, 8%).
 */
export interface Handler {
  /** Whose work it is; undefined: that of the caller. */
  readonly context?: AsyncResource | undefined
  /** Before anything is sent, once whatever the number of attempts. `abort` ends the request. */
  onConnect(abort: Abort, context?: object): void
  /** The first byte of a response has arrived. */
  onResponseStarted?(): void
  /**
   * The head of a response, names and values in turn as they came off the wire; also an interim one (1xx). `false`:
   * pause the body until `resume` is called.
   */
  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean
  /** A piece of the body. `false`: pause until `resume` is called. */
  onData(chunk: Buffer): boolean
  /** The response has ended as it should. No callback follows. */
  onComplete(trailers: Buffer[]): void
  /**
   * The endpoint has switched protocols (101, or CONNECT with 2xx): the socket is the caller's from now on. No callback
   * follows.
   */
  onUpgrade?(statusCode: number, headers: Buffer[], socket: Duplex): void
  /** The request has failed, at any stage. No callback follows. */
  onError(error: Error): void
  /** A piece of the request's body has been handed to the connection. */
  onBodySent?(chunk: Uint8Array | string): void
  /** The whole request has been handed to the connection. */
  onRequestSent?(): void
}

/** Ends a request. `reason`: what `onError` gets. Default: undici's `RequestAbortedError`. */
export type Abort = (reason?: Error) => void

/** A caller's handler of either generation, as a {@link Handler}: told apart as undici does it. */
export function toHandler(handler: Dispatcher.DispatchHandler): Handler {
  return handler.onRequestStart ? new ControllerHandler(handler) : (handler as unknown as Handler)
}

/**
 * A {@link Handler} for where undici's types want theirs: at run time they are the same.
 * (undici's typings of this shape say `string[]` for what is a list of buffers.)
 */
export function toDispatchHandler(handler: Handler): Dispatcher.DispatchHandler {
  return handler as unknown as Dispatcher.DispatchHandler
}

/** Speaks the newer shape to the caller. */
class ControllerHandler implements Handler {
  readonly #handler: Dispatcher.DispatchHandler
  #controller: Controller | undefined

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  onConnect(abort: Abort, context?: object): void {
    this.#controller = new Controller(abort)
    this.#handler.onRequestStart?.(this.#controller, context)
  }

  onResponseStarted(): void {
    // Not in undici's types of this shape, but fetch takes its timing from it.
    ;(this.#handler as Pick<Handler, 'onResponseStarted'>).onResponseStarted?.()
  }

  onHeaders(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    const controller = this.#started()
    controller.rawHeaders = headers
    controller.onResume = resume
    this.#handler.onResponseStart?.(controller, statusCode, util.parseHeaders(headers), statusMessage)
    return !controller.paused
  }

  onData(chunk: Buffer): boolean {
    const controller = this.#started()
    this.#handler.onResponseData?.(controller, chunk)
    return !controller.paused
  }

  onComplete(trailers: Buffer[]): void {
    const controller = this.#started()
    controller.rawTrailers = trailers
    this.#handler.onResponseEnd?.(controller, util.parseHeaders(trailers))
  }

  onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    const controller = this.#started()
    controller.rawHeaders = headers
    this.#handler.onRequestUpgrade?.(controller, statusCode, util.parseHeaders(headers), socket)
  }

  onError(error: Error): void {
    // As undici: an error that is not handled is an exception.
    if (this.#handler.onResponseError === undefined)
      throw new errors.InvalidArgumentError('invalid onError method')
    this.#handler.onResponseError(this.#started(), error)
  }

  /** An error can come before the start, such as for an invalid path: then this is the start. */
  #started(): Controller {
    return (this.#controller ??= new Controller(() => undefined))
  }
}

class Controller implements Dispatcher.DispatchController {
  rawHeaders: Buffer[] | null = null
  rawTrailers: Buffer[] | null = null
  onResume: (() => void) | undefined
  readonly #abort: Abort
  #paused = false
  #reason: Error | null = null

  constructor(abort: Abort) {
    this.#abort = abort
  }

  get aborted(): boolean {
    return this.#reason !== null
  }

  get reason(): Error | null {
    return this.#reason
  }

  get paused(): boolean {
    return this.#paused
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.onResume?.()
  }

  abort(reason: Error): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#abort(reason)
  }
}
