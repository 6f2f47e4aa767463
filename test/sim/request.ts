import type { CallOptions } from '#sdk/call/call-options.js'
import { FairleadError } from '#sdk/errors.js'
import type { Handler } from '#sdk/transport/handler.js'
import type { CallResult, Tally } from './tally.js'
import type { Timeline } from './timeline.js'

/** Dispatch options, and what the transport has to know of the request. */
export interface SimOptions extends CallOptions {
  /** Microseconds that it takes on an idle core. */
  readonly workUs: number
  readonly tally: Tally
}

/** The caller of one request: counts it when it begins and when it ends. */
export class SimRequest implements Handler {
  readonly options: SimOptions
  readonly #tally: Tally
  readonly #timeline: Timeline
  readonly #startedMs: number
  #status = 0

  constructor(workUs: number, tally: Tally, timeline: Timeline) {
    this.options = { method: 'GET', path: '/', workUs, tally }
    this.#tally = tally
    this.#timeline = timeline
    this.#startedMs = timeline.now()
    tally.arrived++
  }

  onConnect(): void {
    // It never goes away by itself.
  }

  onHeaders(statusCode: number): boolean {
    this.#status = statusCode
    return true
  }

  onData(): boolean {
    return true
  }

  onComplete(): void {
    this.#end(this.#status < 500 ? 'success' : 'error')
  }

  onError(error: Error): void {
    this.#end(resultOf(error))
  }

  #end(result: CallResult): void {
    this.#tally.closed(result, this.#timeline.now() - this.#startedMs)
  }
}

/** @throws the error itself, where a simulation cannot bring it about. */
function resultOf(error: Error): CallResult {
  if (!(error instanceof FairleadError)) throw error
  if (error.code === 'DEADLINE_EXCEEDED') return 'deadline'
  if (error.code === 'NO_ENDPOINTS' || error.code === 'UNAVAILABLE') return 'no endpoint'
  const { code } = error.cause as NodeJS.ErrnoException
  if (code === 'ECONNRESET') return 'reset'
  if (code === 'ECONNREFUSED' || code === 'UNAVAILABLE') return 'refused'
  throw error
}
