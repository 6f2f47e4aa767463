import type { Clock } from '../clock.js'
import { FairleadError } from '../errors.js'
import type { Events } from '../observe/events.js'
import type { AdmissionSettings } from './admission-options.js'
import { AdmissionQueue } from './admission-queue.js'
import { AdaptiveLimit, FixedLimit, type ConcurrencyLimit } from './concurrency-limit.js'
import { Pass, type Entrant, type PassIssuer } from './pass.js'
import { priorityOf } from './priority.js'

/** Why a call was shed, as `inspect()` counts it. */
export type ShedReason =
  /** The queue was full of calls that are as important at least. */
  | 'queueFull'
  /** A more important one has taken its place in the queue. */
  | 'displaced'
  /** It was queued for `queue.timeoutMs`. */
  | 'queueTimeout'

/** Admission as it stands. */
export interface AdmissionInspection {
  /** Calls that may be in flight at present: `maxConcurrent`, or what the adaptive limit is. */
  readonly limit: number
  /** Calls that are: more than the limit, where it has fallen since they began. */
  readonly inflight: number
  /** Calls that wait for one of those to end. */
  readonly queued: number
  /** Calls that have ever failed with `OVERLOADED` by it, by why. */
  readonly shed: Readonly<Record<ShedReason, number>>
}

/** What an {@link Admission} is handed. */
export interface AdmissionDependencies {
  readonly service: string
  readonly settings: AdmissionSettings
  readonly events: Events
  readonly clock: Clock
}

/** The log tells of it once within so long. */
const TOLD_EVERY_MS = 10_000

/**
 * Keeps the calls of a client within a limit: those above it queue, by priority and age, and what the queue has no room
 * for is shed, the least important first. A call takes one place, however many attempts it makes, until it ends.
 */
export class Admission implements PassIssuer {
  readonly #dependencies: AdmissionDependencies
  readonly #limit: ConcurrencyLimit
  readonly #queue: AdmissionQueue<Pass>
  readonly #shed: Record<ShedReason, number> = { queueFull: 0, displaced: 0, queueTimeout: 0 }
  #inflight = 0
  #untold = 0
  #toldAt = -Infinity

  constructor(dependencies: AdmissionDependencies) {
    this.#dependencies = dependencies
    const { settings, clock } = dependencies
    const { limit, queue } = settings
    this.#limit = typeof limit === 'number' ? new FixedLimit(limit) : new AdaptiveLimit(limit)
    this.#queue = new AdmissionQueue(queue.timeoutMs, clock, (pass) => this.#refuse(pass, 'queueTimeout'))
  }

  /** Whether it may go at once. Otherwise it is queued, or has been shed. */
  admit(call: Entrant, now: number): boolean {
    const { queue, priorityHeader } = this.#dependencies.settings
    const pass = new Pass(call, priorityOf(call, priorityHeader), this)
    call.pass = pass
    if (this.#inflight < this.#limit.current) {
      pass.inflight = ++this.#inflight
      return true
    }
    const full = this.#queue.size >= queue.max
    const displaced = full ? this.#queue.lastBelow(pass.priority) : undefined
    if (full && displaced === undefined) {
      this.#refuse(pass, 'queueFull')
      return false
    }
    // All is in its place before a caller hears of it, who may make another call at once.
    if (displaced !== undefined) this.#queue.remove(displaced)
    this.#queue.add(pass, now)
    if (displaced !== undefined) this.#refuse(displaced, 'displaced')
    return false
  }

  /** The call has ended, in whatever way, in the queue or in flight. */
  leave(call: Entrant): void {
    const { pass } = call
    if (pass === undefined) return
    call.pass = undefined
    if (this.#queue.remove(pass) || pass.inflight === 0) return
    pass.inflight = 0
    this.#inflight--
    this.#next()
  }

  /** No call goes on: those in the queue fail with `error`. */
  destroy(error: Error): void {
    for (let pass = this.#queue.first; pass !== undefined; pass = this.#queue.first) {
      this.#queue.remove(pass)
      pass.call.cancel(error)
    }
  }

  observe(leastMs: number, mostMs: number, inflight: number, now: number): void {
    this.#limit.observe(leastMs, mostMs, inflight, now)
    // It may have risen.
    this.#next()
  }

  inspect(): AdmissionInspection {
    return {
      limit: this.#limit.current,
      inflight: this.#inflight,
      queued: this.#queue.size,
      shed: { ...this.#shed },
    }
  }

  #next(): void {
    for (let pass = this.#queue.first; pass !== undefined; pass = this.#queue.first) {
      if (this.#inflight >= this.#limit.current) return
      this.#queue.remove(pass)
      pass.inflight = ++this.#inflight
      pass.call.admitted()
    }
  }

  /** @param pass It is not in the queue. */
  #refuse(pass: Pass, reason: ShedReason): void {
    this.#shed[reason]++
    this.#untold++
    this.#tell(reason)
    const { service } = this.#dependencies
    const { method, path } = pass.call.options
    const message = `${method} ${path} to ${service} was shed: ${this.#why(reason)}`
    pass.call.cancel(new FairleadError('OVERLOADED', message, { service }))
  }

  #why(reason: ShedReason): string {
    const { limit, queue } = this.#dependencies.settings
    const option = typeof limit === 'number' ? 'admission.maxConcurrent' : 'admission.adaptive'
    const busy = `${this.#inflight} in flight (option ${option})`
    switch (reason) {
      case 'queueFull':
        return `${busy}, ${queue.max} queued (option admission.queue.max)`
      case 'displaced':
        return `${busy}, ${queue.max} queued (option admission.queue.max), and a more important one has taken its place`
      case 'queueTimeout':
        return `${busy}, and it was queued for ${queue.timeoutMs} ms (option admission.queue.timeoutMs)`
    }
  }

  #tell(reason: ShedReason): void {
    const { service, events, clock } = this.#dependencies
    const now = clock.now()
    if (now - this.#toldAt < TOLD_EVERY_MS) return
    const { limit, inflight, queued } = this.inspect()
    const shed = this.#untold
    this.#toldAt = now
    this.#untold = 0
    events.publish({ type: 'admission:shedding', service, reason, shed, limit, inflight, queued })
  }
}
