import type { Children, Worker } from '../bench/children.js'
import type { Means } from './catalogue.js'
import { sumOf, type Counts } from './counts.js'
import { dropPackets } from './network.js'
import { servicePorts } from './ports.js'
import type { InstanceArgument, InstanceOrder } from './subjects/instance-program.js'

/** An instance of the service, a process of its own. */
export class FleetInstance {
  readonly port: number
  readonly #children: Children
  readonly #past: Counts[] = []
  #worker: Worker

  constructor(children: Children, port: number) {
    this.#children = children
    this.port = port
    this.#worker = this.#start()
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Requests that it has read, in all its runs. */
  async seen(): Promise<Counts> {
    return sumOf([...this.#past, await this.#ask('seen')])
  }

  /** Begins a fault; resolves with how to end it, which resolves when it has ended. */
  async begin(means: Means): Promise<() => Promise<unknown>> {
    switch (means.by) {
      case 'nothing':
        return () => Promise.resolve()
      case 'behaviour':
        await this.#ask({ behave: means.behaviour })
        return () => this.#ask({ behave: 'serve' })
      case 'kill':
        // What it reads after this is not counted: a millisecond's.
        this.#past.push(await this.#ask('seen'))
        await this.#worker.stop()
        return () => {
          this.#worker = this.#start()
          return this.#ask('seen')
        }
      case 'stop':
        this.#worker.signal('SIGSTOP')
        return () => {
          this.#worker.signal('SIGCONT')
          return this.#ask('seen')
        }
      case 'packets': {
        const end = dropPackets(this.port)
        return () => {
          end()
          return Promise.resolve()
        }
      }
    }
  }

  stop(): Promise<void> {
    return this.#worker.stop()
  }

  #start(): Worker {
    const argument: InstanceArgument = { port: this.port }
    return this.#children.worker('instance-program.js', argument, { cores: undefined })
  }

  #ask(order: InstanceOrder): Promise<Counts> {
    return this.#worker.ask<Counts>(order)
  }
}

/** Instances that listen. */
export async function startFleet(children: Children, size: number): Promise<readonly FleetInstance[]> {
  const ports = await servicePorts(size)
  const fleet = ports.map((port) => new FleetInstance(children, port))
  await Promise.all(fleet.map((instance) => instance.seen()))
  return fleet
}
