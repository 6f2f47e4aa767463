import type { Clock, Timer } from '../clock.js'
import { FairleadError } from '../errors.js'
import { requireKnown } from '../validation/known-names.js'
import type { Events } from '../observe/events.js'

/** How long `client.close` waits for requests in flight. */
export interface CloseOptions {
  /**
   * How long requests in flight may take to finish, in milliseconds; after it they are aborted. A response whose body
   * is not read never finishes by itself. `Infinity`: as long as it takes, which may be indefinitely.
   * Default 25,000: within the 30 s that Kubernetes leaves between SIGTERM and SIGKILL, as in `gracefulShutdown`.
   */
  readonly timeoutMs?: number | undefined
}

/** What is closed. */
export interface Closable {
  readonly service: string
  readonly dispatcher: {
    readonly destroyed: boolean
    close(): Promise<void>
    destroy(error?: Error): Promise<void>
  }
  /** Requests that have not ended. */
  readonly active: () => number
  readonly clock: Clock
  readonly events: Events
}

const DEFAULT_MS = 25_000

/** Lets requests in flight finish within the limit, then aborts those that are left. Resolves in any case. */
export async function closeInTime(closable: Closable, options: CloseOptions): Promise<void> {
  requireKnown('close', options, ['timeoutMs'])
  const { timeoutMs = DEFAULT_MS } = options
  if (typeof (timeoutMs as unknown) !== 'number' || !(timeoutMs >= 0)) {
    throw new FairleadError(
      'INVALID_OPTION',
      `timeoutMs of close is ${String(timeoutMs)}: it must be milliseconds, 0 or more`,
    )
  }
  const { dispatcher, clock } = closable
  // Destroyed already: to close what has ended is not a mistake.
  if (dispatcher.destroyed) return dispatcher.destroy()
  const closing = dispatcher.close()
  const timer =
    timeoutMs === Infinity ? undefined : clock.setTimer(() => abort(closable, timeoutMs), timeoutMs)
  await closing.finally(() => clear(clock, timer))
}

function abort({ service, dispatcher, active, events }: Closable, timeoutMs: number): void {
  const requests = active()
  if (requests > 0) {
    events.publish({ type: 'client:close-timeout', service, requests, timeoutMs })
  }
  const message = `the client of ${service} is closed, and this request had not finished ${timeoutMs} ms later (timeoutMs of close)`
  void dispatcher.destroy(new FairleadError('CLIENT_CLOSED', message, { service }))
}

function clear(clock: Clock, timer: Timer | undefined): void {
  if (timer !== undefined) clock.clearTimer(timer)
}
