import type { Clock } from '../clock.js'
import { AutoResetEvent } from '../pacing/auto-reset-event.js'
import { backoffDelay } from '../pacing/backoff.js'
import { asError } from '../errors.js'
import { ConsulError } from '../consul/consul-error.js'
import type { Events } from '../observe/events.js'
import type { Random } from '../random.js'
import { ForgottenError, type AgentService } from './agent-service.js'
import type { CheckStatus } from './check-options.js'
import { namedChecks, serviceDefinition, type NamedCheck } from './definition.js'
import type { RegisterSettings } from './options.js'
import { StateWatch } from './state-watch.js'

/** Where an instance stands. */
export type RegistrationState =
  /** The agent does not have it: not yet, or not any more. */
  | 'registering'
  | 'registered'
  /** Registered, and in maintenance: no client is to send it requests. */
  | 'maintenance'
  /** Another process has registered under its id: that one decides, and this one waits until it is gone. */
  | 'superseded'
  /** In maintenance for good; what is in flight finishes. */
  | 'draining'
  | 'deregistered'

/** What went wrong last. */
export interface LastError {
  /** The error's message. */
  readonly message: string
  /** Unix milliseconds. */
  readonly at: number
}

/** What the application says of itself. */
interface Reported {
  readonly status: CheckStatus
  readonly output: string
}

/** What has been sent to the agent since it was registered. */
interface Known {
  /** `reason` undefined: it is not in maintenance. */
  maintenance: { readonly reason: string | undefined } | undefined
}

// A register that is aborted may still arrive, even after the deregistration: such calls are left to finish in their time.
const UNENDING = new AbortController().signal

// An agent that has restarted is back within seconds, and then counts the TTL from its start: the first retries are
// quick, and 5 s is when the next heartbeat of the default TTL would have been.
const BACKOFF = { baseMs: 250, maxMs: 5000 }

// How late it is seen that the agent has forgotten an instance without heartbeats: one small local query each.
const POLL_MS = 5000

// How long an id stays free, at most, when the process that took it leaves first: the same query, while it lasts.
const FREE_POLL_MS = 1000

/**
 * Keeps one instance registered. A single loop does everything there is to do with the agent, one thing at a time and
 * in this order: register it, or see that it is still this process's; switch maintenance on or off; and send its
 * heartbeats. So nothing of ours can overtake anything else of ours, whatever the application calls meanwhile, and a
 * process that has come after this one under the same id is left alone: its heartbeats, too, are its own.
 */
export class Upkeep {
  /** Its state, and how to wait for a change of it. */
  readonly watch: StateWatch<RegistrationState>
  readonly #service: AgentService
  readonly #settings: RegisterSettings
  readonly #owner: string
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: Events
  /** Whom events are about. */
  readonly #subject: { readonly service: string; readonly id: string }
  readonly #checks: readonly NamedCheck[]
  readonly #intervalMs: number
  /** What it should be. */
  #reported: Reported = { status: 'passing', output: 'alive' }
  #maintenance: string | undefined
  #draining = false
  /** What the agent has of it, as far as we know; undefined: nothing. */
  #known: Known | undefined
  /** Has everything been sent to the agent since it was last registered? */
  #settled = false
  #everRegistered = false
  #ready = false
  #registering = false
  /** Is it another process's registration that the agent has under its id? */
  #superseded = false
  #statuses: ReadonlyMap<string, CheckStatus> = new Map<string, CheckStatus>()
  #failures = 0
  #lastError: LastError | undefined
  /** Set when the next round must follow at once, also in the middle of one. */
  readonly #hurried = new AutoResetEvent()
  readonly #ending = new AbortController()
  readonly #running: Promise<void>

  constructor(
    service: AgentService,
    settings: RegisterSettings,
    owner: string,
    clock: Clock,
    random: Random,
    events: Events,
  ) {
    this.#service = service
    this.#settings = settings
    this.#owner = owner
    this.#clock = clock
    this.#random = random
    this.#events = events
    this.#subject = { service: settings.name, id: settings.id }
    this.#checks = namedChecks(settings)
    this.#intervalMs = intervalOf(this.#checks)
    this.watch = new StateWatch<RegistrationState>('registering', clock)
    this.#running = this.#run()
  }

  get reported(): Reported {
    return this.#reported
  }

  /** Why it is in maintenance, or is to be. */
  get maintenance(): string | undefined {
    return this.#maintenance
  }

  /** Has the agent what was requested last, maintenance or not? */
  get maintained(): boolean {
    return this.#known?.maintenance !== undefined && this.#known.maintenance.reason === this.#maintenance
  }

  get lastError(): LastError | undefined {
    return this.#lastError
  }

  /** Does the agent not have it, and is it not about to? */
  get absent(): boolean {
    return this.#known === undefined && !this.#registering
  }

  /** Has the agent taken it at least once? */
  get everRegistered(): boolean {
    return this.#everRegistered
  }

  /** Has everything gone well at least once, a heartbeat included? */
  get ready(): boolean {
    return this.#ready
  }

  /** Has `end` been called? A method, as the compiler takes a property that was false to stay false. */
  isEnded(): boolean {
    return this.#ending.signal.aborted
  }

  report(status: CheckStatus, output: string): void {
    const changed = this.#reported.status !== status
    this.#reported = { status, output }
    // What is only said in other words can wait for the next heartbeat; and an agent that does not answer is left alone.
    if (changed && this.#failures === 0) this.#hurried.set()
  }

  /** @param reason `undefined`: out of it. Of two in a row the first one counts, as in Consul. */
  maintain(reason: string | undefined): void {
    if (this.#draining || (reason === undefined) === (this.#maintenance === undefined)) return
    this.#maintenance = reason
    this.#hurried.set()
  }

  /** Into maintenance for good; it is not registered again. Returns the reason that counts. */
  drain(reason: string): string {
    this.maintain(reason)
    this.#draining = true
    this.#update()
    return this.#maintenance ?? reason
  }

  /** Ends the loop. Resolves when nothing of it is on its way any more: not later than an answer may take. */
  async end(): Promise<void> {
    this.#ending.abort()
    this.#hurried.set()
    await this.#running
  }

  /** The final state: the agent has deregistered it, or `error` says why not. */
  close(error: Error | undefined): void {
    if (error !== undefined) this.#noteError(error)
    this.#known = undefined
    this.watch.set('deregistered')
  }

  async #run(): Promise<void> {
    while (!this.isEnded()) {
      const begun = this.#clock.now()
      this.#hurried.reset()
      let nextMs: number
      try {
        await this.#round()
        this.#succeeded()
        // Between four fifths and all of it: instances that started together do not send them together, and none is late.
        nextMs = begun + this.#intervalMs * (0.8 + 0.2 * this.#random.next()) - this.#clock.now()
      } catch (thrown) {
        if (this.isEnded()) return
        nextMs = this.#failed(asError(thrown))
      }
      this.#update()
      await this.#hurried.waitAtMost(this.#superseded ? Math.min(nextMs, FREE_POLL_MS) : nextMs, this.#clock)
    }
  }

  async #round(): Promise<void> {
    if (await this.#isAnothers()) return
    const known = this.#known ?? (await this.#register())
    if (known === undefined) return
    const reason = this.#maintenance
    if (known.maintenance === undefined || known.maintenance.reason !== reason) {
      // Also out of maintenance where we have never put it in: Consul keeps that over a restart of either of us.
      await this.#service.maintain(reason, UNENDING)
      known.maintenance = { reason }
      this.#update()
    }
    await this.#sendHeartbeats()
    this.#settled = true
  }

  /** Once it has been there: has another process taken its place, and is it still in it? */
  async #isAnothers(): Promise<boolean> {
    if (this.#known === undefined && !this.#superseded) return false
    const before = this.#superseded
    this.#superseded = (await this.#currentOwner()) !== this.#owner
    if (before && !this.#superseded) this.#events.publish({ type: 'registration:resumed', ...this.#subject })
    if (!before && this.#superseded) {
      this.#known = undefined
      this.#events.publish({ type: 'registration:superseded', ...this.#subject })
    }
    if (this.#superseded)
      this.#noteError(
        new Error(
          `${this.#service.agent.name} has a registration of another process under the id ${this.#settings.id}; waiting until it leaves`,
        ),
      )
    return this.#superseded
  }

  async #currentOwner(): Promise<string> {
    try {
      return await this.#service.owner(this.#ending.signal)
    } catch (thrown) {
      // The process that was there has left, and the id is free again.
      if (this.#superseded && thrown instanceof ForgottenError) return this.#owner
      throw thrown
    }
  }

  /** What is drained is let go: that the agent does not have it is how it should end. */
  async #register(): Promise<Known | undefined> {
    if (this.#draining) return undefined
    this.#registering = true
    try {
      const definition = serviceDefinition(this.#settings, this.#owner, (check) => this.#initialStatus(check))
      await this.#service.register(definition, UNENDING)
      this.#everRegistered = true
      this.#settled = false
      return (this.#known = { maintenance: undefined })
    } finally {
      this.#registering = false
    }
  }

  async #sendHeartbeats(): Promise<void> {
    const { status, output } = this.#reported
    const { signal } = this.#ending
    for (const { id, check } of this.#checks)
      if (check.kind === 'ttl') await this.#service.report(id, status, output, signal)
    // Where heartbeats do not find out what the agent knows, and where it is the agent who knows how we are.
    if (this.#checks.length === 0 || this.#checks.some(({ check }) => check.kind !== 'ttl'))
      await this.#checkStatuses(signal)
  }

  async #checkStatuses(signal: AbortSignal): Promise<void> {
    const statuses = await this.#service.statuses(signal)
    // What it said last of a check that it has lost goes with the next registration.
    this.#statuses = new Map([...this.#statuses, ...statuses])
    const lost = this.#checks.find(({ id }) => !statuses.has(id))
    // Only a heartbeat finds out that its check is gone; without the others the instance would pass, however it is. What
    // is drained is still there without them, and its maintenance has to reach the agent.
    if (lost !== undefined && !this.#draining)
      throw new ForgottenError(
        `${this.#service.agent.name} does not know check ${lost.id} of ${this.#settings.id}`,
      )
  }

  /**
   * What a check is registered with. In maintenance it is critical until the agent knows of that: there must be no
   * moment in which clients take it for healthy. And what an agent that has lost its data used to know is still true.
   */
  #initialStatus({ id, check }: NamedCheck): CheckStatus {
    if (this.#maintenance !== undefined) return 'critical'
    if (check.kind === 'ttl') return this.#reported.status
    return this.#statuses.get(id) ?? check.initialStatus
  }

  #succeeded(): void {
    if (this.#known === undefined) return
    if (!this.#ready) {
      this.#events.publish({ type: 'registration:registered', ...this.#subject })
    } else if (this.#failures > 0) {
      const agent = this.#service.agent.name
      this.#events.publish({ type: 'registration:recovered', ...this.#subject, agent })
    }
    this.#ready = true
    this.#failures = 0
  }

  /** Returns how long to wait before the next round, in milliseconds. */
  #failed(error: Error): number {
    this.#noteError(error)
    const forgotten = error instanceof ForgottenError
    if (forgotten) this.#known = undefined
    if (forgotten && this.#settled) {
      if (!this.#draining) this.#events.publish({ type: 'registration:forgotten', ...this.#subject, error })
      this.#settled = false
      return 0
    }
    this.#failures++
    // Once an outage, not for each try.
    if (this.#failures === 1) {
      const [before, refused] = [this.#ready, isRejection(error)]
      this.#events.publish({ type: 'registration:failed', ...this.#subject, error, before, refused })
    }
    return backoffDelay(this.#failures, BACKOFF, this.#random)
  }

  #noteError(error: Error): void {
    this.#lastError = { message: error.message, at: this.#clock.unixTime() }
  }

  #update(): void {
    this.watch.set(
      this.#draining
        ? 'draining'
        : this.#superseded
          ? 'superseded'
          : this.#known?.maintenance === undefined
            ? 'registering'
            : this.#known.maintenance.reason === undefined
              ? 'registered'
              : 'maintenance',
    )
  }
}

/** Does the agent not take it as it is? With other ACLs or another version it may; but a person has to see to that. */
function isRejection(error: Error): boolean {
  const status = error instanceof ConsulError ? error.statusCode : undefined
  return status !== undefined && status >= 400 && status < 500 && status !== 429
}

function intervalOf(checks: readonly NamedCheck[]): number {
  // A third of the time: two heartbeats in a row can fail before the instance is taken for dead.
  const thirds = checks.flatMap(({ check }) => (check.kind === 'ttl' ? [check.ttlMs / 3] : []))
  const polls = checks.every(({ check }) => check.kind === 'ttl') && checks.length > 0 ? [] : [POLL_MS]
  return Math.min(...thirds, ...polls)
}
