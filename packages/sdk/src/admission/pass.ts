import type { RequestFields } from '../hashing/request-fields.js'
import type { Queued } from './admission-queue.js'

/** As much of a call as admission looks at. */
export interface Entrant {
  readonly options: { readonly method: string; readonly path: string; readonly priority?: number | undefined }
  /** Those of the request; however often they are read. */
  readonly headers: RequestFields['headers']
  /** What it was admitted or queued by, until it ends; undefined: admission is off, or has not heard of it. */
  pass: Pass | undefined
  /** It was queued, and its turn has come. To be acted on in another turn of the event loop's queues. */
  admitted(): void
  /** It is shed. Leads to `Admission.leave`. */
  cancel(error: Error): void
}

/** Hears of latencies. */
export interface PassIssuer {
  observe(leastMs: number, mostMs: number, inflight: number, now: number): void
}

/** One call in admission: queued, or in flight. */
export class Pass implements Queued<Pass> {
  before: Pass | undefined
  after: Pass | undefined
  queuedUntil = 0
  readonly call: Entrant
  readonly priority: number
  /** How many calls were in flight when it was let in, itself included; 0: it is not in flight. */
  inflight = 0
  readonly #issuer: PassIssuer

  constructor(call: Entrant, priority: number, issuer: PassIssuer) {
    this.call = call
    this.priority = priority
    this.#issuer = issuer
  }

  /**
   * Its call was answered.
   *
   * @param leastMs After so many milliseconds at the least, where it is not known exactly.
   */
  observe(leastMs: number, mostMs: number, now: number): void {
    if (this.inflight > 0) this.#issuer.observe(leastMs, mostMs, this.inflight, now)
  }
}
