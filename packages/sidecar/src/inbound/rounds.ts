import type { Socket } from 'node:net'
import type { Clock, Timer } from '@fairlead/sdk'

/** Looks at all connections again and again, by one timer while there are any: a request has none of its own. */
export class Rounds<State> {
  readonly #periodMs: number
  readonly #clock: Clock
  readonly #look: (socket: Socket, state: State) => void
  readonly #connections = new Map<Socket, State>()
  #timer: Timer | undefined

  constructor(periodMs: number, clock: Clock, look: (socket: Socket, state: State) => void) {
    this.#periodMs = periodMs
    this.#clock = clock
    this.#look = look
  }

  /** Until it closes. @param state What is known of it, for each look. */
  watch(socket: Socket, state: State): void {
    this.#connections.set(socket, state)
    socket.once('close', () => {
      this.#connections.delete(socket)
      if (this.#connections.size > 0 || this.#timer === undefined) return
      this.#clock.clearTimer(this.#timer)
      this.#timer = undefined
    })
    this.#timer ??= this.#next()
  }

  #next(): Timer {
    return this.#clock.setTimer(() => {
      this.#timer = this.#next()
      for (const [socket, state] of this.#connections) this.#look(socket, state)
    }, this.#periodMs)
  }
}
