import { requireKnown } from '../../validation/known-names.js'
import { invalidOption } from '../../validation/invalid-option.js'
import type { Random } from '../../random.js'
import { explainPick } from '../explain-pick.js'
import type { Balancer, Candidate, Layer, PickContext, Picker, PickReport, WeightOf } from '../picker.js'

/** How `slowStart` warms up an endpoint: for how long, along which curve, from which share on. */
export interface SlowStartOptions {
  /** How long an endpoint is warmed up, in milliseconds, 1 or more. Default 30,000. */
  readonly windowMs?: number | undefined
  /**
   * How fast its share grows: with 1 in proportion to time, above 1 faster at first, below 1 slower at first. Above 0.
   * Default 1, as Envoy's.
   */
  readonly aggression?: number | undefined
  /** The least part of its share, in percent, 1 to 100. Default 10, as Envoy's. */
  readonly minimumPercent?: number | undefined
}

// Where all but one of 100 are at 10%, sixteen choices in a row are turned down in (0.9 x 0.99)^16 = 16% of the picks,
// and then all of them are warm alike.
const ATTEMPTS = 16

// Envoy's: the time of an endpoint counts from its first second on.
const SHORTEST_MS = 1000

/**
 * Slow start: an endpoint that is new, or has recovered, gets a small part of its share at first, and all of it at
 * the end of the window: `max(minimum, (time / window) ^ (1 / aggression))`.
 * When: instances are slow until their caches, pools and compiled code are warm. When not: for keys (`ring_hash`,
 * `maglev`, `rendezvous`), which go where they go; nor does it help where all are new at the same time.
 * The choice of the policy behind it is turned down with what is missing of the share, and made again: that keeps the
 * shares of the others in proportion, whatever the policy. What is there when the client begins is not new.
 * O(1); a pick that is turned down is made again, 16 times at most.
 * Source: Envoy, `slow_start.rst`, with its defaults but for the window, which has none there.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { compose, createClient, slowStart } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', {
 *   balancer: compose(slowStart({ windowMs: 60_000 }), 'least_request'),
 * })
 * ```
 */
export function slowStart(options: SlowStartOptions = {}): Layer {
  requireKnown('slowStart', options, ['windowMs', 'aggression', 'minimumPercent'])
  const { windowMs = 30_000, aggression = 1, minimumPercent = 10 } = options
  requireNumber('windowMs', windowMs, windowMs >= 1, 'a number of milliseconds, 1 or more')
  requireNumber('aggression', aggression, aggression > 0, 'a number above 0')
  const inPercent = minimumPercent >= 1 && minimumPercent <= 100
  requireNumber('minimumPercent', minimumPercent, inPercent, 'a number of percent from 1 to 100')
  const ramp = { windowMs, exponent: 1 / aggression, minimum: minimumPercent / 100 }
  return (next: Balancer): Balancer =>
    <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> =>
      new SlowStartPicker(next(endpoints, random, weightOf), ramp, random)
}

interface Ramp {
  readonly windowMs: number
  readonly exponent: number
  readonly minimum: number
}

class SlowStartPicker<E extends Candidate> implements Picker<E> {
  readonly #next: Picker<E>
  readonly #ramp: Ramp
  readonly #random: Random

  constructor(next: Picker<E>, ramp: Ramp, random: Random) {
    this.#next = next
    this.#ramp = ramp
    this.#random = random
  }

  pick(context: PickContext<E>): E | undefined {
    const endpoint = this.#next.pick(context)
    if (endpoint === undefined || context.now - endpoint.usableSince >= this.#ramp.windowMs) return endpoint
    return this.#pickAmongNew(endpoint, context)
  }

  refresh(now: number): void {
    this.#next.refresh?.(now)
  }

  close(): void {
    this.#next.close?.()
  }

  explain(context: PickContext<E>, report: PickReport<E>): E | undefined {
    const first = explainPick(this.#next, context, report)
    if (first === undefined || this.#part(first, context.now) === 1) return first
    const endpoint = this.#pickAmongNew(first, context)
    const percent = Math.round(this.#part(first, context.now) * 100)
    if (endpoint === first) report.step(`it is in slow start, and gets ${percent}% of its share`)
    else report.skipped(first, `in slow start, and gets ${percent}% of its share`)
    return endpoint
  }

  #pickAmongNew(first: E, context: PickContext<E>): E {
    let endpoint = first
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      if (this.#random.next() < this.#part(endpoint, context.now)) return endpoint
      const other = this.#next.pick(context)
      if (other === undefined) return endpoint
      endpoint = other
    }
    return endpoint
  }

  /** What part of its share it gets. */
  #part({ usableSince }: E, now: number): number {
    const { windowMs, exponent, minimum } = this.#ramp
    const elapsed = now - usableSince
    if (elapsed >= windowMs) return 1
    return Math.min(1, Math.max(minimum, (Math.max(elapsed, SHORTEST_MS) / windowMs) ** exponent))
  }
}

function requireNumber(name: string, value: number, fits: boolean, wanted: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !fits) throw invalidOption(name, value, wanted)
}
