import { summarize } from '../runtime/summarize.js'
import { systemClock, type Clock } from '../clock.js'
import { ConsulAgent } from '../consul/agent.js'
import { FairleadError } from '../errors.js'
import { defaultLogger } from '../logger.js'
import { Events } from '../observe/events.js'
import { logTo } from '../observe/log.js'
import { invalidOption } from '../validation/invalid-option.js'
import { inOwnContext } from '../runtime/own-context.js'
import { systemRandom, type Random } from '../random.js'
import { AgentService } from './agent-service.js'
import type { CheckStatus } from './check-options.js'
import { drainInstance, type DrainReport } from './drain.js'
import { parseDrain, type DrainOptions } from './drain-options.js'
import { parseRegistration, type RegisterOptions, type RegisterSettings } from './options.js'
import { newOwner } from './owner.js'
import { takeId } from './process-ids.js'
import type { Registration, RegistrationInspection, RegistrationWaitOptions } from './registration.js'
import { deregister } from './deregister.js'
import { Upkeep } from './upkeep.js'

const READY_TIMEOUT_MS = 30_000
const MAINTENANCE_TIMEOUT_MS = 10_000

/**
 * Registers an instance of a service with the Consul agent of this machine, and keeps it registered: by heartbeats,
 * and anew whenever the agent has forgotten it. Works in the background; an agent that is not there is waited for.
 * Keeps the process alive until it is deregistered, as the server that it stands for does.
 *
 * @throws FairleadError `INVALID_OPTION` for everything that is found invalid before it is sent, naming option, value and
 *   fix.
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { register } from '@fairlead/sdk'
 *
 * const server = createServer((_, response) => response.end('ok'))
 * server.listen(8080, () => {
 *   const registration = register({ name: 'orders', port: 8080, weights: { passing: 10 }, meta: { version: '2' } })
 *   server.once('close', () => registration.deregister()) // or gracefulShutdown, for a server that gets SIGTERM
 * })
 * ```
 */
export function register(options: RegisterOptions): Registration {
  const settings = parseRegistration(options, process.env)
  // Its heartbeats are not for the request that may have led to it.
  return inOwnContext(() => new AgentRegistration(settings))
}

class AgentRegistration implements Registration {
  readonly service: string
  readonly id: string
  readonly #settings: RegisterSettings
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: Events
  readonly #agent: AgentService
  readonly #owner = newOwner()
  readonly #upkeep: Upkeep
  readonly #giveBackId: () => void
  #draining: Promise<DrainReport> | undefined
  #deregistering: Promise<boolean> | undefined

  constructor(settings: RegisterSettings) {
    this.service = settings.name
    this.id = settings.id
    this.#settings = settings
    this.#clock = settings.clock ?? systemClock
    this.#random = settings.random ?? systemRandom()
    this.#events = new Events(logTo(settings.logger ?? defaultLogger()))
    this.#giveBackId = takeId(settings)
    this.#agent = new AgentService(new ConsulAgent(settings.agent, this.#clock), this.id)
    this.#upkeep = new Upkeep(this.#agent, settings, this.#owner, this.#clock, this.#random, this.#events)
    summarize(this, 'Registration', () => this.inspect())
  }

  async ready({ timeoutMs = READY_TIMEOUT_MS }: RegistrationWaitOptions = {}): Promise<void> {
    const upkeep = this.#upkeep
    const answered = await upkeep.watch.until(() => upkeep.ready || upkeep.isEnded(), timeoutMs)
    if (upkeep.isEnded()) throw this.#closed()
    if (!answered) throw this.#late('registered', timeoutMs)
  }

  report(status: CheckStatus, output?: string): void {
    if (!['passing', 'warning', 'critical'].includes(status))
      throw invalidOption('status', status, 'passing, warning or critical')
    if (this.#settings.checks.every(({ kind }) => kind !== 'ttl')) {
      throw invalidOption(
        'checks',
        this.#settings.checks.map(({ kind }) => kind),
        'a list with one of kind ttl, as a status is reported with its heartbeats',
      )
    }
    this.#upkeep.report(status, output ?? (status === 'passing' ? 'alive' : ''))
  }

  async maintenance(
    on: boolean,
    reason = 'put into maintenance by the instance itself',
    { timeoutMs = MAINTENANCE_TIMEOUT_MS }: RegistrationWaitOptions = {},
  ): Promise<void> {
    const upkeep = this.#upkeep
    if (upkeep.isEnded() || this.#draining !== undefined) throw this.#closed()
    upkeep.maintain(on ? reason : undefined)
    const done = await upkeep.watch.until(() => upkeep.maintained || upkeep.isEnded(), timeoutMs)
    if (upkeep.isEnded()) throw this.#closed()
    if (!done) throw this.#late(on ? 'in maintenance' : 'out of maintenance', timeoutMs)
  }

  async drain(options: DrainOptions = {}): Promise<DrainReport> {
    const parsed = parseDrain(options)
    return (this.#draining ??= drainInstance(
      {
        service: this.service,
        id: this.id,
        owner: this.#owner,
        agent: this.#agent.agent,
        upkeep: this.#upkeep,
        deregister: () => this.deregister(),
        clock: this.#clock,
        events: this.#events,
      },
      parsed,
    ))
  }

  inspect(): RegistrationInspection {
    const { watch, reported, maintenance, lastError } = this.#upkeep
    return {
      service: this.service,
      id: this.id,
      agent: this.#agent.agent.name,
      state: watch.state,
      since: watch.since,
      ...reported,
      maintenance,
      lastError,
    }
  }

  deregister(): Promise<boolean> {
    return (this.#deregistering ??= this.#deregister())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.deregister()
  }

  async #deregister(): Promise<boolean> {
    const gone = await deregister({
      service: this.#agent,
      owner: this.#owner,
      settings: this.#settings,
      upkeep: this.#upkeep,
      clock: this.#clock,
      random: this.#random,
      events: this.#events,
    })
    this.#giveBackId()
    return gone
  }

  #late(what: string, timeoutMs: number): FairleadError {
    const why = this.#upkeep.lastError?.message ?? `${this.#agent.agent.name} has not answered yet`
    return new FairleadError('DEADLINE_EXCEEDED', `${this.id} is not ${what} after ${timeoutMs} ms: ${why}`, {
      service: this.service,
    })
  }

  #closed(): FairleadError {
    const how = this.#deregistering === undefined ? 'is draining' : 'has been deregistered'
    return new FairleadError('CLIENT_CLOSED', `${this.id} ${how}: register it anew`, {
      service: this.service,
    })
  }
}
