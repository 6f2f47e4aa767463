import { errors, type buildConnector } from 'undici'
import type { Clock, Timer } from '../clock.js'
import type { AbortConnect, Connector } from './connector.js'

// Later than a timer of Node's is by itself, with a short turn of the event loop before it.
const HELD_UP_MS = 20

/**
 * Establishes a connection within `timeoutMs`: the look-up of its name, TCP and TLS together, and whatever else its
 * connector does first. While our own event loop is held up no handshake goes on, so that this time is given once more.
 * Returns how to cancel it; then it does not call back.
 */
export function connectInTime(
  connect: Connector,
  timeoutMs: number,
  clock: Clock,
  target: buildConnector.Options,
  callback: buildConnector.Callback,
): AbortConnect {
  let timer: Timer | undefined
  let done = false
  const abort = connect(target, (...result) => {
    if (done) {
      // It was cancelled: a socket that comes after all has no owner.
      result[1]?.destroy()
      return
    }
    finish()
    callback(...result)
  })
  // A connector may call back before it returns, as with a socket that it has kept.
  if (!isDone()) limit(timeoutMs)
  return (reason) => {
    if (isDone()) return
    finish()
    abort(reason)
  }

  function limit(ms: number): void {
    const dueAt = clock.now() + ms
    timer = clock.setTimer(() => {
      const lateMs = clock.now() - dueAt
      if (lateMs > HELD_UP_MS) {
        limit(Math.min(lateMs, timeoutMs))
        return
      }
      finish()
      const error = tooLate(target, timeoutMs)
      abort(error)
      callback(error, null)
    }, ms)
  }

  function finish(): void {
    done = true
    if (timer !== undefined) clock.clearTimer(timer)
  }

  // A function, as the compiler takes what a callback writes to stay as it was.
  function isDone(): boolean {
    return done
  }
}

function tooLate({ hostname, port, protocol }: buildConnector.Options, timeoutMs: number): Error {
  const at = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  return new errors.ConnectTimeoutError(
    `no connection to ${at} within ${timeoutMs} ms (option connections.connectTimeoutMs)`,
  )
}
