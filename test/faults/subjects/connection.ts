import type { Socket } from 'node:net'
import { RequestReader } from './request-reader.js'

/** One connection of a caller, on which it sends one request at a time. */
export class Connection {
  readonly #socket: Socket
  #waiting = 0

  constructor(socket: Socket, onRequest: (connection: Connection) => void, onClose: () => void) {
    this.#socket = socket
    const reader = new RequestReader()
    // Bodies here are ASCII, so that a character is a byte.
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      for (let requests = reader.read(chunk); requests > 0; requests--) {
        this.#waiting++
        onRequest(this)
      }
    })
    // The caller gave up, or was reset by us.
    socket.on('error', () => socket.destroy())
    socket.on('close', onClose)
  }

  /** No request waits for an answer. */
  get idle(): boolean {
    return this.#waiting === 0
  }

  /** A part of a response. */
  write(bytes: string): void {
    if (this.#socket.writable) this.#socket.write(bytes, 'latin1')
  }

  /** A response, or the last of it. */
  answer(bytes: string): void {
    this.#waiting--
    this.write(bytes)
  }

  /** What was written goes out, then FIN; nothing more is read, as of a server that has closed the connection. */
  end(): void {
    this.#socket.destroySoon()
  }

  /** FIN, or RST where bytes have come that were not read. */
  close(): void {
    this.#socket.destroy()
  }

  /** RST. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  stopReading(): void {
    this.#socket.pause()
  }
}
