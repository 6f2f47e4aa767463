import { nextTurn } from '../../clock.js'

// To start one takes half a millisecond, from the connection to the first picker.
const PER_TURN = 8

/**
 * Starts a few watches in each turn of the event loop: a process that begins to watch hundreds of services at once stops
 * neither itself nor the agent by it. One that starts alone is admitted at once, or one turn later.
 */
export class StartLimiter {
  #admitted = 0
  #turn: Promise<void> = Promise.resolve()

  admit(): Promise<void> {
    if (this.#admitted++ % PER_TURN === 0) this.#turn = this.#turn.then(nextTurn)
    return this.#turn
  }
}
