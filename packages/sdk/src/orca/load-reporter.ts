import type { IncomingMessage, ServerResponse } from 'node:http'
import * as v from 'valibot'
import { systemClock, type Clock } from '../clock.js'
import { invalidOption } from '../validation/invalid-option.js'
import { group, having } from '../validation/schemas.js'
import { QueuedResponses } from '../runtime/queued-responses.js'
import { checked } from '../validation/checked.js'
import type { AnyHttpServer } from '../registration/server-traffic.js'
import { ServerLoad } from './server-load.js'
import { withHeader } from './response-head.js'

/** Where a server tells its load, and what it takes for its utilization. */
export interface LoadReporterOptions {
  /**
   * A GET of this path is answered with 204 and the report, and does not count as load; `false`: no such path. Default
   * `/.well-known/endpoint-load`.
   */
  readonly path?: string | false | undefined
  /**
   * What part of what it can do the server is doing, 0 and up, where its event loop does not tell: such as connections in
   * use of a pool of 20. Called ten times a second at most. Default: the event loop's utilization.
   */
  readonly utilization?: (() => number) | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
}

/** Counts what a server does, and says so in its responses. */
export interface LoadReporter extends Disposable {
  /** Requests that have not been answered to the end. */
  readonly inflight: number
  /** The value of the header `endpoint-load-metrics` now, for what is not a response of `node:http`. */
  text(): string
  /** A middleware, in the shape that Express and Connect have it: the first of all, so that it sees every request. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, next: () => void) => void
  /** Adds nothing to responses any more, and answers nothing. */
  [Symbol.dispose](): void
}

/** As Node has it, which takes an `undefined` for an absent value. */
type Headers = Parameters<typeof withHeader>[0]
type WriteHead = (status: number, reason?: string | Headers, headers?: Headers) => ServerResponse

const HEADER = 'endpoint-load-metrics'
const DEFAULT_PATH = '/.well-known/endpoint-load'
const PATH_TEXT = 'a path that begins with / and has no ?, or false'

const schema = group({
  path: v.optional(
    v.union([v.literal(false), v.pipe(v.string(PATH_TEXT), v.regex(/^\/[^?#\s]*$/, PATH_TEXT))], PATH_TEXT),
    DEFAULT_PATH,
  ),
  utilization: v.optional(
    v.custom<() => number>((value) => typeof value === 'function', 'a function that returns a number'),
  ),
  clock: v.optional(having<Clock>('a clock with now, unixTime, setTimer and clearTimer', 'now', 'unixTime')),
})

/**
 * Says in each response how loaded this process is, by the header `endpoint-load-metrics` (ORCA), for clients that balance
 * by it: Fairlead's `orca_weighted_round_robin` and `reportedWeights`, Envoy's `client_side_weighted_round_robin`.
 * As a middleware; a whole server is {@link reportLoad}'s.
 *
 * It has no timer, and nothing to close. What it says is for those who call the service: where a server faces the
 * internet, let its front remove the header.
 *
 * @throws FairleadError `INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { loadReporter } from '@fairlead/sdk'
 *
 * const reporter = loadReporter({ utilization: () => 3 / 20 })
 * createServer((request, response) => {
 *   reporter.handle(request, response, () => response.end('ok'))
 * }).listen(8080)
 * ```
 */
export function loadReporter(options: LoadReporterOptions = {}): LoadReporter {
  return new ResponseReporter(options)
}

/**
 * Says in each response of a server how loaded this process is; see {@link loadReporter}. Whatever answers the requests:
 * of Express it is what `app.listen()` returns, of Fastify `app.server`. Beside `gracefulShutdown`, in any order.
 *
 * @param server Of `node:http` or `node:https`; before or after it listens.
 * @throws FairleadError `INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { reportLoad } from '@fairlead/sdk'
 *
 * const server = createServer((_, response) => response.end('ok'))
 * reportLoad(server)
 * server.listen(8080)
 * ```
 */
export function reportLoad(server: AnyHttpServer, options: LoadReporterOptions = {}): LoadReporter {
  const { emit, listen } = Object(server) as Partial<AnyHttpServer>
  if (typeof emit !== 'function' || typeof listen !== 'function') {
    throw invalidOption('server', server, 'a server of node:http or node:https')
  }
  const reporter = new ResponseReporter(options)
  reporter.attach(server)
  return reporter
}

class ResponseReporter implements LoadReporter {
  readonly #load: ServerLoad
  readonly #path: string | false
  readonly #queued = new QueuedResponses()
  #ended = false

  constructor(options: LoadReporterOptions) {
    const given = checked(schema, options)
    const { path, utilization, clock = systemClock } = given
    this.#path = path
    this.#load = new ServerLoad(clock, utilization)
  }

  get inflight(): number {
    return this.#load.inflight
  }

  text(): string {
    return this.#load.text(0)
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    if (this.#isProbe(request)) {
      this.#answer(response)
      return
    }
    if (!this.#ended) this.#observe(response)
    next()
  };

  [Symbol.dispose](): void {
    this.#ended = true
  }

  /**
   * Before all listeners, and instead of them for a probe, which no listener could be: so it is `emit` that is taken over,
   * as tracers do it. `gracefulShutdown` does not see probes then, and has no need to: they are over within the call.
   */
  attach(server: AnyHttpServer): void {
    const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
    // Who listens to `checkContinue` emits `request` by hand afterwards, for the same response.
    const continued = new WeakSet<ServerResponse>()
    server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      if (!REQUESTS.has(event) || this.#ended) return emit(event, ...args)
      const [request, response] = args as [IncomingMessage, ServerResponse]
      if (!this.#isProbe(request)) {
        if (event !== 'request') continued.add(response)
        if (event !== 'request' || !continued.has(response)) this.#observe(response)
        return emit(event, ...args)
      }
      // A server that is on its way out: its clients are to stay away.
      if (!server.listening) response.shouldKeepAlive = false
      this.#answer(response)
      return true
    }
  }

  #isProbe({ method, url }: IncomingMessage): boolean {
    return !this.#ended && (method === 'GET' || method === 'HEAD') && url === this.#path
  }

  #answer(response: ServerResponse): void {
    response.writeHead(204, { [HEADER]: this.#load.text(0), 'cache-control': 'no-store' }).end()
  }

  #observe(response: ServerResponse): void {
    const report = this.#load
    const end = report.begin()
    response.on('close', () => end(response.writableFinished))
    if (response.socket === null) this.#queued.add(response, () => end(false))
    const writeHead = response.writeHead.bind(response) as WriteHead
    // The one place that every head goes through, written by hand or by itself.
    response.writeHead = ((status, reason, headers) => {
      if (response.headersSent) return writeHead(status, reason, headers)
      if (status >= 500) report.countError()
      // An application may have its own report, or hand on that of another server.
      if (response.hasHeader(HEADER)) return writeHead(status, reason, headers)
      const text = report.text(1)
      if (typeof reason === 'string') return writeHead(status, reason, withHeader(headers, HEADER, text))
      return writeHead(status, withHeader(headers ?? reason, HEADER, text))
    }) as WriteHead
  }
}

/** All events that bring a request with a response: Node emits one of them for each. */
const REQUESTS: ReadonlySet<string | symbol> = new Set(['request', 'checkContinue', 'checkExpectation'])
