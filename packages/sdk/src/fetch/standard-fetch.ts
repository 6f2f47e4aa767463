import type { Dispatcher } from 'undici'
import { asError } from '../errors.js'
import { toHandler } from '../transport/handler.js'
import { headerValues } from '../hashing/request-fields.js'
import type { FetchInit, FetchPolicy } from './fetch-init.js'

/** A body of a known length up to this one is read before it is sent, so that it can be sent again; as in the sidecar. */
const REPLAYABLE_BYTES = 64 * 1024

type Next = Pick<Dispatcher, 'dispatch'>

/** The process's own fetch, over a dispatcher of ours. */
export function standardFetch(
  dispatcher: Dispatcher,
  base: string,
  input: string | URL | Request,
  init: FetchInit | undefined,
): Promise<Response> {
  const { dispatcher: given = dispatcher, timeoutMs, idempotent, hashKey, caller, ...rest } = init ?? {}
  const policy: FetchPolicy = { timeoutMs, idempotent, hashKey, caller }
  const url = typeof input === 'string' || input instanceof URL ? new URL(input, base) : input
  const through = new ReplayingDispatcher(given as Next, policy)
  return fetch(url, { ...rest, dispatcher: through } as unknown as RequestInit)
}

/**
 * Makes whole bodies whole again: fetch hands over a stream whatever the body was made of, but with a length where it
 * was not a stream.
 */
class ReplayingDispatcher {
  readonly #next: Next
  readonly #policy: FetchPolicy

  constructor(next: Next, policy: FetchPolicy) {
    this.#next = next
    this.#policy = policy
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const length = Number(headerValues(options.headers, 'content-length'))
    const { body } = options as { readonly body: unknown }
    if (isAsyncIterable(body) && length <= REPLAYABLE_BYTES)
      void this.#collect(body, length, options, handler)
    else this.#send(options, handler)
    return true
  }

  async #collect(
    body: AsyncIterable<Uint8Array>,
    length: number,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): Promise<void> {
    try {
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      const whole = Buffer.concat(chunks)
      // It has failed, and fetch has told of it.
      if (whole.length < length) throw new Error(`the body ended after ${whole.length} of ${length} bytes`)
      this.#send({ ...options, body: whole }, handler)
    } catch (error) {
      toHandler(handler).onError(asError(error))
    }
  }

  #send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#next.dispatch({ ...options, ...this.#policy } as Dispatcher.DispatchOptions, handler)
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
