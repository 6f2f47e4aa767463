import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LinkedList, type Linked } from '../collections/linked-list.js'

class Queued implements Linked<Queued> {
  before: Queued | undefined
  after: Queued | undefined
  readonly lost: () => void

  constructor(lost: () => void) {
    this.lost = lost
  }
}

/**
 * Tells of responses that will never be: those still in the queue of a pipeline when their connection closes. node:http
 * emits `close` for the one response that has the connection, and leaves the others without a word, so that a caller that
 * keeps or counts them by that event would do so indefinitely.
 */
export class QueuedResponses {
  readonly #queues = new WeakMap<Socket, LinkedList<Queued>>()

  /**
   * Takes a response that has no connection yet (`socket` is null), when its request comes.
   *
   * @param lost Called once if it never has one. Otherwise it has its `close`.
   */
  add(response: ServerResponse, lost: () => void): void {
    const queue = this.#queueOf(response.req.socket)
    const queued = new Queued(lost)
    queue.append(queued)
    response.once('socket', () => queue.remove(queued))
  }

  #queueOf(socket: Socket): LinkedList<Queued> {
    const known = this.#queues.get(socket)
    if (known !== undefined) return known
    const queue = new LinkedList<Queued>()
    this.#queues.set(socket, queue)
    socket.once('close', () => {
      // A listener may bring others to their end.
      for (let queued = queue.first; queued !== undefined; queued = queue.first) {
        queue.remove(queued)
        queued.lost()
      }
    })
    return queue
  }
}
