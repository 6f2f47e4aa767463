import type { IncomingMessage, ServerResponse } from 'node:http'
import * as v from 'valibot'
import { systemClock, type Clock } from '../clock.js'
import { checked } from '../validation/checked.js'
import { group, having, LONGEST_MS, milliseconds } from '../validation/schemas.js'
import { currentDeadline, within } from './current-deadline.js'
import type { Deadline } from './deadline.js'
import { incomingDeadline, type ReceivedHeaders } from './deadline-header.js'

/** What is believed of incoming deadlines. */
export interface DeadlinesOptions {
  /** What a longer time is taken for, in milliseconds. Default 86,400,000: a day. */
  readonly longestMs?: number | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
}

/** As much of an incoming request as is read: of `node:http`, Express, Fastify and the like. */
export interface ReceivedRequest {
  /** Names in lower case, as Node has them. */
  readonly headers: ReceivedHeaders
}

/** As much of a Fastify app as is used. */
export interface HookableApp {
  /** Fastify's own. */
  addHook(
    name: 'onRequest' | 'preValidation',
    hook: (request: ReceivedRequest, reply: unknown, done: () => void) => void,
  ): unknown
}

/** As of {@link DeadlineReader}: a listener of `node:http`, and one of any other server by the types of its parameters. */
export interface DeadlineWrap {
  /** What `createServer` takes; `request` and `response` need no types. */
  <Result>(
    listener: (request: IncomingMessage, response: ServerResponse) => Result,
  ): (request: IncomingMessage, response: ServerResponse) => Result
  /** Of `node:http2`, `node:https` with classes of its own, and the like. */
  <Request extends ReceivedRequest, Response, Result>(
    listener: (request: Request, response: Response) => Result,
  ): (request: Request, response: Response) => Result
}

/** Runs the handlers of a server within the deadlines of their requests. */
export interface DeadlineReader {
  /** For `node:http`: a listener that does the same within the deadline of its request. */
  readonly wrap: DeadlineWrap
  /**
   * A middleware, in the shape that Express and Connect have it: the first of all, as the time of a request runs from its
   * head on, and once more behind a body parser, where some lose the async context.
   */
  readonly handle: (request: ReceivedRequest, response: unknown, next: () => void) => void
  /** For Fastify: a plugin, `app.register(deadlines().plugin)`, for all routes of the app. */
  readonly plugin: (app: HookableApp, options: unknown, done: () => void) => void
}

const schema = group({
  longestMs: v.optional(milliseconds(1, LONGEST_MS), LONGEST_MS),
  clock: v.optional(having<Clock>('a clock with now, unixTime, setTimer and clearTimer', 'now', 'unixTime')),
})

/**
 * Reads the deadlines of a server's requests, in `grpc-timeout` and `x-envoy-expected-rq-timeout-ms`, the earlier one
 * where there are both, and runs their handlers within them as `withDeadline` does: what a handler calls ends by then, and
 * says in the same header how much time is left. A value that is not in the header's format is ignored.
 *
 * A caller can only shorten what its own request leads to, so that nothing has to be trusted.
 *
 * @throws FairleadError `INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { createClient, deadlines } from '@fairlead/sdk'
 *
 * const orders = createClient('orders')
 * const { wrap } = deadlines()
 * createServer(
 *   wrap((request, response) => {
 *     void orders.fetch('/v1/orders').then(({ status }) => response.end(`${request.url ?? ''}: ${status}`))
 *   }),
 * ).listen(8080)
 * ```
 */
export function deadlines(options: DeadlinesOptions = {}): DeadlineReader {
  const { longestMs, clock = systemClock } = checked(schema, options)
  // By request, since it may be read again behind its body, and its time runs from its head on.
  const known = new WeakMap<ReceivedRequest, Deadline>()
  const read = (request: ReceivedRequest): Deadline | undefined => {
    const deadline = known.get(request) ?? incomingDeadline(request.headers, longestMs, clock)
    if (deadline !== undefined) known.set(request, deadline)
    return deadline
  }

  const handle: DeadlineReader['handle'] = (request, _response, next) => {
    const deadline = read(request)
    if (deadline === undefined || deadline === currentDeadline()) next()
    else within(deadline, next)
  }
  const wrap: DeadlineReader['wrap'] = <Request extends ReceivedRequest, Response, Result>(
    listener: (request: Request, response: Response) => Result,
  ) => {
    return (request: Request, response: Response): Result => {
      const deadline = read(request)
      // What the listener returns is handed on: a server may look whether it is a promise.
      return deadline === undefined
        ? listener(request, response)
        : within(deadline, () => listener(request, response))
    }
  }
  return { wrap, handle, plugin: pluginOf(handle) }
}

/** Fastify runs what comes behind a body in the context of whatever read its end, and the deadline is bound there again. */
function pluginOf(handle: DeadlineReader['handle']): DeadlineReader['plugin'] {
  const plugin: DeadlineReader['plugin'] = (app, _options, done) => {
    app.addHook('onRequest', handle)
    app.addHook('preValidation', handle)
    done()
  }
  // Fastify's mark of a plugin whose hooks are for the app that registers it, and not for a scope of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}
