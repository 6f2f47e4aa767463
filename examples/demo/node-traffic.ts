import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client, type ClientInspection, type Logger } from '@fairlead/sdk'
import type { Tally, Traffic } from './traffic.js'

// Enough to keep three instances busy, few enough to leave the machine to the others.
const IN_FLIGHT = 12

// One after the other, as real traffic rises: all at once would measure how cold the code is, on either side.
const RAMP_MS = 50

/** A Node application: the SDK in its own process, with all its defaults. */
export class NodeTraffic implements Traffic {
  readonly name = 'Node client'
  readonly short = 'Node'
  readonly way = 'SDK in process, peak_ewma'
  // Of 26 runs, most of them on a machine with twice the work it can do, 24 were within 19% (13.5 of 16.7%); in the
  // other two one slow sample had to be forgotten first. A spread that ignored the weights would be 100% off.
  readonly tolerance = 0.3
  readonly #client: Client
  readonly #loops: readonly Promise<void>[]
  readonly #ok = new Map<string, number>()
  #failed = 0
  #sent = 0
  #lastError: string | undefined
  #stopping = false

  constructor(service: string, consul: string, say: (text: string) => void) {
    this.#client = createClient(service, { consul: { address: consul }, logger: loggerThat(say) })
    this.#loops = Array.from({ length: IN_FLIGHT }, (_, index) => this.#loop(index * RAMP_MS))
  }

  tally(): Tally {
    return { ok: new Map(this.#ok), failed: this.#failed }
  }

  inspection(): ClientInspection {
    return this.#client.inspect()
  }

  lastError(): string | undefined {
    return this.#lastError
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
    await this.#client.close()
  }

  /** Aborts what is still in flight. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    await this.#client.dispatcher.destroy()
  }

  /** Closed loop: the next request leaves when the last was answered. */
  async #loop(delayMs: number): Promise<void> {
    await delay(delayMs)
    while (!this.#stopping) {
      try {
        const instance = await this.#ask()
        this.#ok.set(instance, (this.#ok.get(instance) ?? 0) + 1)
      } catch (error) {
        this.#failed++
        this.#lastError = String(error)
        // Not a storm of requests to something that is down.
        await delay(50)
      }
    }
  }

  /** One request; resolves with the name of the instance that answered. */
  async #ask(): Promise<string> {
    this.#sent++
    const { statusCode, body } = await this.#client.request({ path: `/v1/orders/${this.#sent}` })
    if (statusCode !== 200) throw new Error(`${statusCode} ${await body.text()}`)
    return ((await body.json()) as { instance: string }).instance
  }
}

/** A logger in the SDK's own form; what is merely good news is on the screen anyway. */
function loggerThat(say: (text: string) => void): Logger {
  const warn = (fields: object, message: string): void => {
    const { endpoint, reason } = fields as { endpoint?: string; reason?: string }
    say(
      [`Node client: ${message}`, ...[endpoint, reason].filter((detail) => detail !== undefined)].join(', '),
    )
  }
  return { info: () => undefined, warn, error: warn }
}
