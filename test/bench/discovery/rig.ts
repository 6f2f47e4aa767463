import type { Worker } from '../children.js'
import type { AgentArgument, AgentOrder, Changed, Counts } from '../subjects/agent.js'
import type { Change } from '../subjects/agent-service.js'
import type { DiscoveryArgument, DiscoveryOrder, Memory, Opened } from '../subjects/discovery-subject.js'
import type { Usage } from '../subjects/event-loop.js'
import type { Surroundings } from './topic.js'

export interface RigOptions extends Partial<AgentArgument> {
  readonly services: AgentArgument['services']
  readonly subject?: Omit<DiscoveryArgument, 'address'>
}

// A port where nothing has to listen.
const NOWHERE = { host: undefined, port: 8080 }

/** An agent that changes when it is told to, and a process with clients that ask it. */
export class Rig implements AsyncDisposable {
  readonly #agent: Worker
  readonly #subject: Subject

  private constructor(agent: Worker, subject: Subject) {
    this.#agent = agent
    this.#subject = subject
  }

  static async start(surroundings: Surroundings, options: RigOptions): Promise<Rig> {
    const { services, upstream = NOWHERE, subject } = options
    const argument: AgentArgument = { services, upstream }
    const agent = surroundings.children.worker('agent.js', argument, { cores: surroundings.where.load })
    const address = await agent.ask<string>({ kind: 'address' } satisfies AgentOrder)
    return new Rig(agent, new Subject(surroundings, { ...subject, address }))
  }

  get subject(): Subject {
    return this.#subject
  }

  /** Returns when the change has been told, and the client has asked for the next one. */
  change(service: string, change: Change): Promise<Changed> {
    return this.#agent.ask({ kind: 'change', service, change } satisfies AgentOrder)
  }

  /** Changes a service again and again, without looking whether anybody follows. */
  churn(service: string, change: Change, pauseMs: number, times: number): Promise<void> {
    return this.#agent.ask({ kind: 'churn', service, change, pauseMs, times } satisfies AgentOrder)
  }

  count(): Promise<Counts> {
    return this.#agent.ask({ kind: 'count' } satisfies AgentOrder)
  }

  /** Changes a service so often, and waits each time until its picker knows. */
  async changeInTurn(service: string, change: Change, times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      const { version } = await this.change(service, change)
      if (change.kind !== 'outputs') await this.#subject.arrival(service, version)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subject.stop()
    await this.#agent.stop()
  }
}

/** The process with the clients. */
export class Subject {
  readonly #worker: Worker

  constructor({ children, where }: Surroundings, argument: DiscoveryArgument) {
    this.#worker = children.worker('discovery-subject.js', argument, {
      cores: where.subject,
      nodeFlags: ['--expose-gc'],
    })
  }

  /** Returns when the process runs: starting it must not be measured with what it is asked first. */
  async ready(): Promise<void> {
    await this.#ask({ kind: 'start', watched: false })
  }

  open(services: readonly string[], watched = false): Promise<Opened> {
    return this.#ask({ kind: 'open', services, watched })
  }

  /** What it uses while `action` runs elsewhere. */
  async during(action: () => Promise<unknown>, watched = false): Promise<Usage> {
    await this.#ask({ kind: 'start', watched })
    await action()
    return await this.#ask({ kind: 'stop' })
  }

  /** When the picker knew that version, in milliseconds of the machine's clock. */
  arrival(service: string, version: number): Promise<number> {
    return this.#ask({ kind: 'arrival', service, version })
  }

  requests(count: number): Promise<void> {
    return this.#ask({ kind: 'requests', count })
  }

  memory(): Promise<Memory> {
    return this.#ask({ kind: 'memory' })
  }

  close(): Promise<void> {
    return this.#ask({ kind: 'close' })
  }

  build(times: number): Promise<Readonly<Record<string, number>>> {
    return this.#ask({ kind: 'build', times })
  }

  parse(service: string, times: number): Promise<number> {
    return this.#ask({ kind: 'parse', service, times })
  }

  async stop(): Promise<void> {
    await this.#worker.stop()
  }

  #ask<Reply>(order: DiscoveryOrder): Promise<Reply> {
    return this.#worker.ask<Reply>(order)
  }
}
