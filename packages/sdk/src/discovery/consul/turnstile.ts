import { nextTurn } from '../../clock.js'

// To begin with one takes half a millisecond, from the connection to the first picker.
const PER_TURN = 8

/**
 * Lets a crowd through a few in each turn of the event loop: a process that begins to watch hundreds of services at
 * once stops neither itself nor the agent by it. One who comes alone goes straight through, or one turn later.
 */
export class Turnstile {
  #came = 0
  #gate: Promise<void> = Promise.resolve()

  pass(): Promise<void> {
    if (this.#came++ % PER_TURN === 0) this.#gate = this.#gate.then(nextTurn)
    return this.#gate
  }
}
