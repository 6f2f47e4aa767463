/* eslint-disable @typescript-eslint/unbound-method -- `runInAsyncScope` takes a method and its object side by side. */
import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { errors } from 'undici'
import type { Abort, Handler } from '../transport/handler.js'

/**
 * The one who made a call, as its handler hears of it: each callback in the caller's async context, and what a callback
 * throws ends the call, as undici has it. A call is one instead of having one: an object fewer a request.
 */
export abstract class CallerHandler {
  /** What is done for it, in whichever turn, is done in the async context of its caller; undefined: in any. */
  readonly context: AsyncResource | undefined
  readonly #handler: Handler

  constructor(handler: Handler, context: AsyncResource | undefined) {
    this.#handler = handler
    this.context = context
  }

  /** What a callback threw is the caller's own error, and ends its own call: no endpoint has failed by it. */
  protected abstract thrown(reason: Error): void

  /** Runs what is for the caller, in whatever turn this is. */
  inContext<R>(work: () => R): R {
    return this.context === undefined ? work() : this.context.runInAsyncScope(work)
  }

  protected tellConnect(abort: Abort): void {
    try {
      this.#handler.onConnect(abort)
    } catch (thrown) {
      this.thrown(asReason(thrown))
    }
  }

  tellHead(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean {
    const handler = this.#handler
    try {
      return this.context === undefined
        ? handler.onHeaders(statusCode, headers, resume, statusMessage)
        : this.context.runInAsyncScope(handler.onHeaders, handler, statusCode, headers, resume, statusMessage)
    } catch (thrown) {
      this.thrown(asReason(thrown))
      return false
    }
  }

  tellData(chunk: Buffer): boolean {
    const handler = this.#handler
    try {
      return this.context === undefined
        ? handler.onData(chunk)
        : this.context.runInAsyncScope(handler.onData, handler, chunk)
    } catch (thrown) {
      this.thrown(asReason(thrown))
      return false
    }
  }

  /** The last but for an error of its own. */
  protected tellComplete(trailers: Buffer[]): void {
    const handler = this.#handler
    try {
      if (this.context === undefined) handler.onComplete(trailers)
      else this.context.runInAsyncScope(handler.onComplete, handler, trailers)
    } catch (thrown) {
      this.tellError(asReason(thrown))
    }
  }

  /** The last but for an error of its own. */
  protected tellUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
    try {
      this.inContext(() => this.#handler.onUpgrade?.(statusCode, headers, socket))
    } catch (thrown) {
      // The connection was handed over, and its new owner has failed.
      const reason = asReason(thrown)
      this.tellError(reason)
      socket.destroy(socket.listenerCount('error') > 0 ? reason : undefined)
    }
  }

  /** The last that the handler hears. */
  protected tellError(error: Error): void {
    try {
      this.inContext(() => this.#handler.onError(error))
    } catch (thrown) {
      // There is no callback left to tell of it: an uncaught exception, as with undici. In a turn of its own, since
      // the deadlines or calls of others may be next in this one.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }

  protected tellBodySent(chunk: Uint8Array | string): void {
    if (this.#handler.onBodySent === undefined) return
    try {
      this.inContext(() => this.#handler.onBodySent?.(chunk))
    } catch (thrown) {
      this.thrown(asReason(thrown))
    }
  }

  protected tellRequestSent(): void {
    if (this.#handler.onRequestSent === undefined) return
    try {
      this.inContext(() => this.#handler.onRequestSent?.())
    } catch (thrown) {
      this.thrown(asReason(thrown))
    }
  }

  protected tellResponseStarted(): void {
    if (this.#handler.onResponseStarted === undefined) return
    try {
      this.inContext(() => this.#handler.onResponseStarted?.())
    } catch (thrown) {
      this.thrown(asReason(thrown))
    }
  }
}

/** What a handler threw, as undici hands it on. */
function asReason(thrown: unknown): Error {
  return (thrown as Error | undefined) ?? new errors.RequestAbortedError()
}
