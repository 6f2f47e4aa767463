import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'
import { ConnectionTicker } from '../inbound/connection-ticker.js'

/** Checks without progress before a connection counts as stalled: one could follow a pause of this very process. */
const CHECKS = 4

interface Progress {
  /** Bytes received, and bytes that the system has accepted for sending. */
  read: number
  written: number
  unchanged: number
}

/**
 * Closes the connections of applications that have stalled: within a request's body, or in reading a response. One timer
 * checks all connections, so that a request needs no timer, listener or entry of its own.
 */
export class StalledApplications {
  readonly #server: Server
  readonly #timeoutMs: number
  readonly #logger: Logger
  /** The last request with a body on a connection. */
  readonly #bodies = new WeakMap<Socket, IncomingMessage>()

  /** @param timeoutMs The limit without a byte, in milliseconds. */
  constructor(server: Server, timeoutMs: number, logger: Logger, clock: Clock) {
    this.#server = server
    this.#timeoutMs = timeoutMs
    this.#logger = logger
    const ticker = new ConnectionTicker<Progress>(timeoutMs / CHECKS, clock, (socket, last) =>
      this.#check(socket, last),
    )
    server.on('connection', (socket: Socket) => ticker.add(socket, { read: 0, written: 0, unchanged: 0 }))
  }

  /** A request has a body that is still to come. */
  expectBody(request: IncomingMessage): void {
    this.#bodies.set(request.socket, request)
  }

  #check(socket: Socket, last: Progress): void {
    const read = socket.bytesRead
    const written = socket.bytesWritten - socket.writableLength
    const writing = socket.writableLength > 0
    const waiting = writing || this.#waitsForBody(socket)
    last.unchanged = waiting && read === last.read && written === last.written ? last.unchanged + 1 : 0
    last.read = read
    last.written = written
    if (last.unchanged < CHECKS) return
    last.unchanged = 0
    const fields = { peer: socket.remoteAddress, timeoutMs: this.#timeoutMs }
    if (writing) {
      this.#logger.warn(
        fields,
        'the application has stopped reading a response (--application-timeout); closing its connection',
      )
      // What it has not read by now is discarded.
      socket.resetAndDestroy()
      return
    }
    // Answered with 408, which is logged as well, unless it was answered before its end.
    this.#logger.warn(
      fields,
      'the application has stopped sending a request body (--application-timeout); closing its connection',
    )
    // As node:http reports a head that does not come.
    const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    this.#server.emit('clientError', error, socket)
  }

  /** A paused body is our doing: the instance does not read, or the request waits for those before it. */
  #waitsForBody(socket: Socket): boolean {
    const request = this.#bodies.get(socket)
    return (
      request !== undefined &&
      !request.complete &&
      !request.destroyed &&
      !socket.isPaused() &&
      !request.isPaused()
    )
  }
}
