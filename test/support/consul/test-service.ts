import { ask, type AnAgent } from './agent-access.js'
import { deregister, maintenance, register, uniqueService, type Registration } from './registry.js'

/** A service of one test: a name of its own in an agent that may be shared, gone when the test ends. */
export class TestService implements AsyncDisposable {
  readonly name: string = uniqueService('orders')
  readonly #agent: AnAgent
  readonly #ids = new Set<string>()

  constructor(agent: AnAgent) {
    this.#agent = agent
  }

  /** Registers an instance, by default of 127.0.0.1, or registers it anew. */
  async add(key: string, registration: Omit<Registration, 'id' | 'name'>): Promise<void> {
    const id = this.#id(key)
    await register(this.#agent, { id, name: this.name, address: '127.0.0.1', ...registration })
    this.#ids.add(id)
  }

  async remove(key: string): Promise<void> {
    await deregister(this.#agent, this.#id(key))
    this.#ids.delete(this.#id(key))
  }

  async maintain(key: string, on: boolean): Promise<void> {
    await maintenance(this.#agent, this.#id(key), on)
  }

  /** Sets the status of a TTL check whose `CheckID` is {@link checkId}. */
  async report(key: string, status: 'pass' | 'warn' | 'fail'): Promise<void> {
    await ask(this.#agent, `agent/check/${status}/${this.checkId(key)}`, { method: 'PUT' })
  }

  checkId(key: string): string {
    return `check-${this.#id(key)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // An agent that has been stopped for good has nothing to clean up.
    await Promise.allSettled([...this.#ids].map((id) => deregister(this.#agent, id)))
  }

  #id(key: string): string {
    return `${this.name}-${key}`
  }
}
