import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Tells of responses that will never be: those still in the queue of a pipeline when their connection closes. node:http
 * emits `close` for the one response that has the connection, and leaves the others without a word, so that whoever
 * keeps or counts them by that event would do so for ever.
 */
export class QueuedResponses {
  readonly #queues = new WeakMap<Socket, Map<ServerResponse, () => void>>()

  /**
   * Takes a response that has no connection yet (`socket` is null), when its request comes.
   *
   * @param lost Called once if it never has one. Otherwise it has its `close`.
   */
  add(response: ServerResponse, lost: () => void): void {
    const queue = this.#queueOf(response.req.socket)
    queue.set(response, lost)
    response.once('socket', () => queue.delete(response))
  }

  #queueOf(socket: Socket): Map<ServerResponse, () => void> {
    const known = this.#queues.get(socket)
    if (known !== undefined) return known
    const queue = new Map<ServerResponse, () => void>()
    this.#queues.set(socket, queue)
    socket.once('close', () => {
      for (const lost of queue.values()) lost()
      queue.clear()
    })
    return queue
  }
}
