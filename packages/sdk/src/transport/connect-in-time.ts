import { errors, type buildConnector } from 'undici'
import type { Clock, Timer } from '../clock.js'
import type { Connector } from './connector.js'

// Later than a timer of Node's is by itself, with a short turn of the event loop before it.
const HELD_UP_MS = 20

/**
 * Establishes a connection within `timeoutMs`: the look-up of its name, TCP and TLS together. While our own event loop is
 * held up no handshake goes on, so that this time is given once more.
 */
export function connectInTime(
  connect: Connector,
  timeoutMs: number,
  clock: Clock,
  target: buildConnector.Options,
  callback: buildConnector.Callback,
): void {
  let timer: Timer | undefined
  const socket = connect(target, (...result) => {
    if (timer !== undefined) clock.clearTimer(timer)
    callback(...result)
  })
  limit(timeoutMs)

  function limit(ms: number): void {
    const dueAt = clock.now() + ms
    timer = clock.setTimer(() => {
      const lateMs = clock.now() - dueAt
      if (lateMs > HELD_UP_MS) limit(Math.min(lateMs, timeoutMs))
      else socket.destroy(tooLate(target, timeoutMs))
    }, ms)
  }
}

function tooLate({ hostname, port, protocol }: buildConnector.Options, timeoutMs: number): Error {
  const at = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  return new errors.ConnectTimeoutError(
    `no connection to ${at} within ${timeoutMs} ms (option connections.connectTimeoutMs)`,
  )
}
