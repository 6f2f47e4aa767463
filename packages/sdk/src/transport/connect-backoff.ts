import { errors } from 'undici'
import type { Clock } from '../clock.js'
import { backoffDelay, type BackoffOptions } from '../pacing/backoff.js'
import type { Random } from '../random.js'
import type { AbortConnect, Connector, ConnectorFactory } from './connector.js'

// Far below what a circuit or an ejection keeps traffic away for: this one is for when there is nowhere else to go. A
// quarter of a second is an eighth of the two within which an outage of all should be over once an instance is back.
const PAUSE: BackoffOptions = { baseMs: 20, maxMs: 250 }

/**
 * Leaves an instance alone for a moment that no connection could be made to: who asks for one meanwhile gets the error of
 * the last try at once, and then one try at a time finds out, until one succeeds. In an outage of a whole service each call
 * would otherwise try each instance: thousands of connections a second, and the core of this process with them.
 *
 * As the subchannels of gRPC (connection-backoff.md), with shorter times.
 */
export function withConnectBackoff(
  makeConnector: ConnectorFactory,
  clock: Pick<Clock, 'now'>,
  random: Random,
): ConnectorFactory {
  return (instance) => {
    const backoff = new ConnectBackoff(makeConnector(instance), clock, random)
    return (...request) => backoff.connect(...request)
  }
}

/** `undefined`: it was cancelled, which says nothing. */
type Result = 'connected' | Error | undefined

class ConnectBackoff {
  readonly #connect: Connector
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: Random
  /** Why there was no connection; undefined: the last try went well. */
  #failed: Error | undefined
  /** Tries that failed in a row. Those that were under way together count once. */
  #failures = 0
  #until = 0
  /** The one try is under way. */
  #trying = false

  constructor(connect: Connector, clock: Pick<Clock, 'now'>, random: Random) {
    this.#connect = connect
    this.#clock = clock
    this.#random = random
  }

  connect(...[target, callback]: Parameters<Connector>): AbortConnect {
    const before = this.#failed
    if (before !== undefined && (this.#trying || this.#clock.now() < this.#until)) {
      callback(before, null)
      return ignore
    }
    const isTry = before !== undefined
    if (isTry) this.#trying = true
    let ended = false
    const end = (result: Result): void => {
      if (ended) return
      ended = true
      if (isTry) this.#trying = false
      this.#ended(result, isTry)
    }
    const abort = this.#connect(target, (...result) => {
      end(result[0] ?? 'connected')
      callback(...result)
    })
    return (reason) => {
      // The time limit is its caller's.
      end(reason instanceof errors.ConnectTimeoutError ? reason : undefined)
      abort(reason)
    }
  }

  #ended(result: Result, isTry: boolean): void {
    if (result === undefined) return
    if (result === 'connected' || !isOfTheNetwork(result)) {
      this.#failed = undefined
      this.#failures = 0
    } else if (isTry || this.#failed === undefined) {
      this.#failed = result
      this.#failures++
      this.#until = this.#clock.now() + backoffDelay(this.#failures, PAUSE, this.#random)
    }
  }
}

/**
 * Is it the address that cannot be reached? What fails later, in TLS, may be due to the name that one request asks for, and
 * is not to cost others.
 */
function isOfTheNetwork(error: Error): boolean {
  const { syscall } = error as NodeJS.ErrnoException
  // An AggregateError: several addresses, and none could be reached.
  return (
    syscall === 'connect' ||
    syscall === 'getaddrinfo' ||
    error instanceof AggregateError ||
    error instanceof errors.ConnectTimeoutError
  )
}

function ignore(): void {}
