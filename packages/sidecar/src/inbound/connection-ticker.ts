import type { Socket } from 'node:net'
import type { Clock, Timer } from '@fairlead/sdk'

/** Checks all connections periodically, by one timer while there are any, so that no request needs its own. */
export class ConnectionTicker<State> {
  readonly #periodMs: number
  readonly #clock: Clock
  readonly #check: (socket: Socket, state: State) => void
  readonly #connections = new Map<Socket, State>()
  #timer: Timer | undefined

  constructor(periodMs: number, clock: Clock, check: (socket: Socket, state: State) => void) {
    this.#periodMs = periodMs
    this.#clock = clock
    this.#check = check
  }

  /** Until it closes. @param state Passed to each check. */
  add(socket: Socket, state: State): void {
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
      for (const [socket, state] of this.#connections) this.#check(socket, state)
    }, this.#periodMs)
  }
}
