import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'
import { Rounds } from '../inbound/rounds.js'

/** Looks that have to find the same before it counts: a process that stood still itself sees it in one. */
const LOOKS = 4

interface Seen {
  /** Bytes that have come, and bytes that the system has taken from us. */
  read: number
  written: number
  unchanged: number
}

/**
 * Ends the connections of applications that have stopped: in the middle of a request's body, or reading a response.
 * All connections are looked at by one timer, so that no request has a timer, a listener or an entry of its own.
 */
export class StalledApplications {
  readonly #server: Server
  readonly #timeoutMs: number
  readonly #logger: Logger
  /** The last request with a body on a connection. */
  readonly #bodies = new WeakMap<Socket, IncomingMessage>()

  /** @param timeoutMs Without a byte, in milliseconds. */
  constructor(server: Server, timeoutMs: number, logger: Logger, clock: Clock) {
    this.#server = server
    this.#timeoutMs = timeoutMs
    this.#logger = logger
    const rounds = new Rounds<Seen>(timeoutMs / LOOKS, clock, (socket, seen) => this.#look(socket, seen))
    server.on('connection', (socket: Socket) => rounds.watch(socket, { read: 0, written: 0, unchanged: 0 }))
  }

  /** A request has a body that is not there yet. */
  awaits(request: IncomingMessage): void {
    this.#bodies.set(request.socket, request)
  }

  #look(socket: Socket, seen: Seen): void {
    const read = socket.bytesRead
    const written = socket.bytesWritten - socket.writableLength
    const writing = socket.writableLength > 0
    const waits = writing || this.#waitsForBody(socket)
    seen.unchanged = waits && read === seen.read && written === seen.written ? seen.unchanged + 1 : 0
    seen.read = read
    seen.written = written
    if (seen.unchanged < LOOKS) return
    seen.unchanged = 0
    const fields = { peer: socket.remoteAddress, timeoutMs: this.#timeoutMs }
    if (writing) {
      this.#logger.warn(
        fields,
        'the application has stopped reading (--application-timeout): connection closed',
      )
      // What it has not read by now it need not get.
      socket.resetAndDestroy()
      return
    }
    // Answered with 408, which has a line of its own, unless it has been answered before its end.
    this.#logger.warn(fields, 'a request body has stopped (--application-timeout): connection closed')
    // As node:http says it of a head that does not come.
    const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    this.#server.emit('clientError', error, socket)
  }

  /** A pause is ours: the instance does not read, or it is not this request's turn. */
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
