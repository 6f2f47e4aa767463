import { constants } from 'node:os'
import * as v from 'valibot'
import { sleep, systemClock, type Clock } from '../clock.js'
import { asError } from '../errors.js'
import { defaultLogger, type Logger } from '../logger.js'
import { Events } from '../observe/events.js'
import { logTo } from '../observe/log.js'
import { loggerSchema } from '../validation/logger-option.js'
import { count, flag, group, having, LONGEST_MS, milliseconds } from '../validation/schemas.js'
import { invalidOption } from '../validation/invalid-option.js'
import { checked } from '../validation/checked.js'
import type { DrainReport } from './drain.js'
import { atMost, hasEnded } from '../pacing/or-aborted.js'
import { TimeLimit } from '../pacing/time-limit.js'
import type { Registration } from './registration.js'
import { ServerTraffic, type AnyHttpServer } from './server-traffic.js'

/** How a shutdown went. */
export interface ShutdownReport {
  /** Undefined: there was none, `begin` was called. */
  readonly signal: NodeJS.Signals | undefined
  /** How the instance left Consul; undefined: it was not registered. */
  readonly drain: DrainReport | undefined
  /** Did all that was in flight finish before the deadline, `onSignal` included? */
  readonly finished: boolean
}

/** What `gracefulShutdown` shuts down, on which signals, and how long each step may take. */
export interface GracefulShutdownOptions {
  /** The instance that the server is. Default: none; the server alone is shut down. */
  readonly registration?: Registration | undefined
  /** Default `['SIGTERM']`. */
  readonly signals?: readonly NodeJS.Signals[] | undefined
  /**
   * From the signal on, for everything that is in flight, in milliseconds; then it is aborted. Default 25,000:
   * Kubernetes kills 30 s after its SIGTERM, and what follows takes up to 4 s.
   */
  readonly deadlineMs?: number | undefined
  /** For Consul to show clients that the instance leaves, in milliseconds. Default 5,000. */
  readonly confirmMs?: number | undefined
  /**
   * From then on, for clients to act on it, in milliseconds. Default 1,000; without a registration 0: set it to the
   * time after which clients have heard of the end.
   */
  readonly settleMs?: number | undefined
  /**
   * A connection on which nothing comes for so long is closed, in milliseconds. Default 5,000: what Node tells clients
   * in `Keep-Alive: timeout=5`.
   */
  readonly idleMs?: number | undefined
  /**
   * At the signal: for whatever would go on indefinitely, such as WebSockets and event streams, to come to an end. It delays
   * nothing: the drain begins beside it. A promise that it returns is waited for as a request in flight is, until the
   * deadline.
   */
  readonly onSignal?: ((signal: NodeJS.Signals | undefined) => unknown) | undefined
  /** After all that, before the process ends: to close what requests needed. Not waited for longer than 4 s past `deadlineMs`. */
  readonly onDrained?: ((report: ShutdownReport) => Promise<void> | void) | undefined
  /** Raise the signal again when all is done, so that the process ends by it. Default true. */
  readonly raise?: boolean | undefined
  /** Default: pino on standard output from level `warn`. */
  readonly logger?: Logger | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
}

/** A server's end, prepared. */
export interface GracefulShutdown extends Disposable {
  /** Begins without a signal, and raises none at the end. Once begun, it gives the same answer. */
  begin(): Promise<ShutdownReport>
  /** Listens for signals no more. One that has begun goes on. */
  [Symbol.dispose](): void
}

// For what comes after the deadline: 3 s to deregister, and a second to spare.
const AFTERWARDS_MS = 4000

// Lines that a logger is still writing on another thread, as pino does, and that a signal does not wait for.
const FLUSH_MS = 50

// Marks listeners of this kind among all of a signal's, also those of another copy of this package.
const brand = Symbol.for('fairlead.shutdown')

const delay = count(0, LONGEST_MS)
const callback = <F>(what: string): v.GenericSchema<F> =>
  v.custom<F>((value) => typeof value === 'function', what)
const SIGNAL_TEXT = 'the name of a signal that can be caught, such as SIGTERM'
const signal = v.custom<NodeJS.Signals>(
  (value) =>
    typeof value === 'string' && value in constants.signals && value !== 'SIGKILL' && value !== 'SIGSTOP',
  SIGNAL_TEXT,
)

const schema = group({
  registration: v.optional(having<Registration>('what register() returns', 'drain', 'deregister')),
  signals: v.optional(v.array(signal, 'a list of signals'), ['SIGTERM']),
  deadlineMs: v.optional(milliseconds(1, LONGEST_MS), 25_000),
  confirmMs: v.optional(delay),
  settleMs: v.optional(delay),
  idleMs: v.optional(delay, 5000),
  onSignal: v.optional(callback<NonNullable<GracefulShutdownOptions['onSignal']>>('a function')),
  onDrained: v.optional(callback<NonNullable<GracefulShutdownOptions['onDrained']>>('a function')),
  raise: v.optional(flag, true),
  logger: v.optional(loggerSchema),
  clock: v.optional(
    having<Clock>(
      'a clock with now, unixTime, setTimer and clearTimer',
      ...['now', 'unixTime', 'setTimer', 'clearTimer'],
    ),
  ),
})

type ParsedShutdown = v.InferOutput<typeof schema>

/**
 * Lets a server end without a request lost. At SIGTERM: its instance goes into maintenance, while everything is served
 * as before, until clients have heard of it; then no new connections, and every response says `Connection: close`; when
 * all connections have ended, or at the deadline, the instance is deregistered, and the signal is raised again for its
 * default action, so that the process ends with the status that a supervisor expects. A second signal ends at once.
 *
 * Several servers of one process may each have theirs: the last one that is done raises the signal. A process whose id
 * is 1, as in a container without an init, cannot be ended by its own signal: it ends when nothing keeps it alive, or
 * where `onDrained` calls `process.exit`.
 *
 * @param server Of `node:http` or `node:https`; before or after it listens. Not `server.close()` besides.
 * @throws FairleadError `INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { gracefulShutdown, register } from '@fairlead/sdk'
 *
 * const server = createServer((_, response) => response.end('ok'))
 * server.listen(8080, () => {
 *   const registration = register({ name: 'orders', port: 8080 })
 *   gracefulShutdown(server, { registration })
 * })
 * ```
 */
export function gracefulShutdown(
  server: AnyHttpServer,
  options: GracefulShutdownOptions = {},
): GracefulShutdown {
  const given = checked(schema, options)
  if (!isServer(server)) throw invalidOption('server', server, 'a server of node:http or node:https')
  return new ServerShutdown(server, given)
}

class ServerShutdown implements GracefulShutdown {
  readonly #options: ParsedShutdown
  readonly #clock: Clock
  readonly #events: Events
  readonly #traffic: ServerTraffic
  #done: Promise<ShutdownReport> | undefined
  #signalled = false
  /** Is `onSignal` still at it? */
  #signalling = false
  /** Is the server coming to its end? */
  #ending = false

  constructor(server: AnyHttpServer, options: ParsedShutdown) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#events = new Events(logTo(options.logger ?? defaultLogger()))
    this.#traffic = new ServerTraffic(server, this.#clock)
    for (const name of options.signals) process.on(name, this.#caught)
  }

  begin(): Promise<ShutdownReport> {
    return (this.#done ??= this.#run(undefined))
  }

  [Symbol.dispose](): void {
    for (const name of this.#options.signals) process.off(name, this.#caught)
    if (this.#done === undefined) this.#traffic.detach()
  }

  readonly #caught = Object.assign(
    (name: NodeJS.Signals): void => {
      if (this.#signalled) {
        this.#raise(name)
        return
      }
      this.#signalled = true
      this.#events.publish({ type: 'shutdown:signal', signal: name })
      this.#done ??= this.#run(name)
      void this.#endAfter(this.#done, name)
    },
    { [brand]: true },
  )

  /** Never rejects: whatever fails, the process has to come to its end. */
  async #run(name: NodeJS.Signals | undefined): Promise<ShutdownReport> {
    const { onSignal, onDrained, deadlineMs } = this.#options
    const begun = this.#clock.now()
    this.#signalling = true
    const signalled = this.#hook('onSignal', () => onSignal?.(name)).then(() => {
      this.#signalling = false
    })
    let report: ShutdownReport
    try {
      report = { signal: name, ...(await this.#shutDown(signalled)) }
    } catch (error) {
      this.#events.publish({ type: 'shutdown:failed', error: asError(error) })
      report = { signal: name, drain: undefined, finished: false }
    }
    if (onDrained !== undefined) {
      const leftMs = begun + deadlineMs + AFTERWARDS_MS - this.#clock.now()
      const hook = this.#hook('onDrained', () => onDrained(report))
      await atMost(Math.max(0, leftMs), hook, this.#clock)
    }
    return report
  }

  /**
   * Ends the server's traffic; where there is a registration, as the last step of the drain of that.
   *
   * @param signalled Resolves with the end of `onSignal`.
   */
  async #shutDown(signalled: Promise<void>): Promise<Omit<ShutdownReport, 'signal'>> {
    const { registration, deadlineMs, confirmMs, settleMs } = this.#options
    const finish = async (deadline: AbortSignal): Promise<void> => {
      await Promise.all([hasEnded(signalled, deadline), this.#endTraffic(deadline)])
      if (this.#signalling) this.#events.publish({ type: 'shutdown:hook-late', deadlineMs })
    }
    const deadline = new TimeLimit(deadlineMs, this.#clock)
    try {
      let drain: DrainReport | undefined
      if (registration !== undefined) {
        drain = await registration.drain({ deadlineMs, confirmMs, settleMs, finish })
        if (this.#ending) return { drain, finished: drain.finished }
        // The application has drained it before: what is left is the server.
      } else if (settleMs !== undefined && settleMs > 0) {
        await sleep(this.#clock, settleMs, deadline.signal)
      }
      await finish(deadline.signal)
      return { drain, finished: !deadline.signal.aborted }
    } finally {
      deadline.clear()
    }
  }

  async #endTraffic(deadline: AbortSignal): Promise<void> {
    const { deadlineMs, idleMs } = this.#options
    this.#ending = true
    const late = (): void =>
      this.#events.publish({ type: 'shutdown:aborted', inflight: this.#traffic.inflight, deadlineMs })
    if (deadline.aborted) late()
    else deadline.addEventListener('abort', late)
    await this.#traffic.end(idleMs, deadline)
    // The deadline may still come, for what else is waited for.
    deadline.removeEventListener('abort', late)
  }

  async #hook(hook: string, call: () => unknown): Promise<void> {
    try {
      await call()
    } catch (error) {
      this.#events.publish({ type: 'shutdown:hook-failed', hook, error: asError(error) })
    }
  }

  async #endAfter(done: Promise<unknown>, name: NodeJS.Signals): Promise<void> {
    await done
    if (this.#options.raise) await sleep(this.#clock, FLUSH_MS, new AbortController().signal)
    this[Symbol.dispose]()
    // The last of several servers does it; for the others it would be the second signal.
    const others = process.listeners(name).some((listener) => brand in listener)
    if (this.#options.raise && !others) this.#raise(name)
  }

  #raise(name: NodeJS.Signals): void {
    this[Symbol.dispose]()
    // As a shell has it, for a process that others keep from ending by the signal, and that then ends by itself.
    process.exitCode ??= 128 + constants.signals[name]
    process.kill(process.pid, name)
  }
}

function isServer(value: unknown): boolean {
  const { closeAllConnections, prependListener } = Object(value) as Partial<AnyHttpServer>
  return typeof closeAllConnections === 'function' && typeof prependListener === 'function'
}
