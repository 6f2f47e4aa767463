import { fileURLToPath } from 'node:url'
import { register } from '#test-support/consul/registry.js'
import type { Process, Processes } from './processes.js'

// From examples/dist/demo: what is compiled lies beside, what is not above.
const nodeServer = fileURLToPath(new URL('../orders-service/server.js', import.meta.url))
const pythonServer = fileURLToPath(new URL('../../orders-service/server.py', import.meta.url))

/** One instance of `orders`: its place in Consul, which stays, and its process, which comes and goes. */
export class Orders {
  static readonly service: string = 'orders'
  readonly id: string
  readonly weight: number
  readonly language: 'Node' | 'Python'
  readonly port: number
  readonly #processes: Processes
  #process: Process | undefined

  constructor(id: string, weight: number, language: 'Node' | 'Python', port: number, processes: Processes) {
    this.id = id
    this.weight = weight
    this.language = language
    this.port = port
    this.#processes = processes
  }

  async start(): Promise<void> {
    const [file, script] =
      this.language === 'Node' ? [process.execPath, nodeServer] : ['python3', pythonServer]
    const args = [script, '--name', this.id, '--port', String(this.port)]
    this.#process = this.#processes.start({ name: this.id, file, args })
    await this.#process.ready()
  }

  async kill(): Promise<void> {
    await this.#process?.kill('SIGKILL')
  }

  /** Tells Consul where it is, what it weighs, and how to see whether it lives. */
  register(consul: string): Promise<void> {
    const check = {
      HTTP: `http://127.0.0.1:${this.port}/health`,
      Interval: '1s',
      Timeout: '1s',
      // The least that Consul takes; longer than anything is down here.
      DeregisterCriticalServiceAfter: '1m',
    }
    return register(consul, {
      id: this.id,
      name: Orders.service,
      address: '127.0.0.1',
      port: this.port,
      weights: { passing: this.weight, warning: 1 },
      check,
    })
  }
}
