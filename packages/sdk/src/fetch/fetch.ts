import type { Dispatcher } from 'undici'
import { FetchCall, type FetchContext } from './fetch-call.js'
import type { FetchInit } from './fetch-init.js'
import { readInput } from './fetch-input.js'
import type { IncomingBody } from './incoming-body.js'
import { standardFetch } from './standard-fetch.js'

/**
 * `fetch` on the endpoints of one service: what the global one takes, and a path.
 *
 * @param input A path such as `/v1/orders/42`, a URL of the service such as `http://orders/v1/orders/42`, as a string
 *   or a `URL`, or a `Request` of one.
 * @throws TypeError for anything else, and, with the reason as its `cause`, for what `client.request` would
 *   throw; whatever the signal was aborted with.
 */
export type ServiceFetch = (input: string | URL | Request, init?: FetchInit) => Promise<Response>

/**
 * A light `fetch` over one dispatcher, to the letter of the standard where a service can tell. What is rare
 * (`integrity`, a referrer, a `Request` with a body that is not text) goes through the process's own fetch on the same
 * dispatcher.
 *
 * @param base The URL of the service, which a path is relative to.
 */
export function createFetch(service: string, base: string, dispatcher: Dispatcher): ServiceFetch {
  const context: FetchContext = {
    dispatcher,
    // A response that is dropped unread must not keep the connection: the global fetch does the same.
    unreachable: new FinalizationRegistry<IncomingBody>((body) => body.abandon()),
  }
  // The caller's frames, which an error that was made in a callback of a socket does not have.
  return async function fetch(input, init) {
    const request = await readInput(service, base, input, init)
    if (request === undefined) return standardFetch(dispatcher, base, input, init)
    try {
      return await new Promise<Response>((resolve, reject) => {
        new FetchCall(context, request, { resolve, reject }).start()
      })
    } catch (error) {
      // What the signal was aborted with is the caller's own, and stays as it was made.
      if (error instanceof TypeError && error !== request.signal?.reason) Error.captureStackTrace(error)
      throw error
    }
  }
}
