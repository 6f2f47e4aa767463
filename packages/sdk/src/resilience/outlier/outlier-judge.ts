import type { Judge, Judged } from '../judge.js'
import type { Outcome, OutcomeDetails } from '../outcome.js'
import { Ejection, type EjectionContext } from './ejection.js'
import type { Counted } from './rates.js'
import type { RunSettings } from './outlier-options.js'

/** Who decides for all endpoints together. */
export interface OutlierBoard {
  /** An endpoint has been used for the first time in its interval. */
  used(): void
  /** An endpoint has failed so often in a row that it is to be ejected. */
  accuse(judge: OutlierJudge): void
  /** An endpoint is gone. */
  left(judge: OutlierJudge): void
}

/** Counts what one endpoint does, and keeps its ejection. What it does while it is ejected is not counted. */
export class OutlierJudge implements Judge, Counted {
  /** Within this interval. */
  successes = 0
  failures = 0
  readonly endpoint: Judged
  readonly ejection: Ejection
  readonly #board: OutlierBoard
  readonly #mostGateway: number
  readonly #mostLocal: number
  /** Failures in a row, of either kind. */
  #gateway = 0
  #local = 0

  constructor(endpoint: Judged, board: OutlierBoard, runs: RunSettings, context: EjectionContext) {
    this.endpoint = endpoint
    this.#board = board
    this.#mostGateway = orNever(runs.consecutiveGatewayFailure)
    this.#mostLocal = orNever(runs.consecutiveLocalOriginFailure)
    this.ejection = new Ejection(endpoint, context)
  }

  record(outcome: Outcome, _now: number, { statusCode }: OutcomeDetails): void {
    if (outcome === 'success') {
      this.#gateway = 0
      this.#local = 0
      if (this.successes++ + this.failures === 0) this.#board.used()
    } else if (outcome === 'remote_failure') {
      this.#fail(isGatewayStatus(statusCode) ? this.#gateway + 1 : 0, 0)
    } else if (outcome === 'local_failure') {
      // A gateway in the place of this client would answer 502 to 504, and in Envoy it counts as these do.
      this.#fail(this.#gateway + 1, this.#local + 1)
    } else if (outcome === 'overloaded') {
      // It answers.
      this.#gateway = 0
      this.#local = 0
    }
  }

  /** Another interval begins. */
  restart(): void {
    this.successes = 0
    this.failures = 0
  }

  readmitted(): void {
    this.restart()
    this.#gateway = 0
    this.#local = 0
  }

  close(): void {
    this.ejection.close()
    this.#board.left(this)
  }

  #fail(gateway: number, local: number): void {
    if (this.ejection.active) return
    if (this.successes + this.failures++ === 0) this.#board.used()
    this.#gateway = gateway
    this.#local = local
    if (gateway < this.#mostGateway && local < this.#mostLocal) return
    // Another run is needed, whatever comes of this one: where all fail, each failure would look at all endpoints.
    this.#gateway = 0
    this.#local = 0
    this.#board.accuse(this)
  }
}

function isGatewayStatus(statusCode: number): boolean {
  return statusCode >= 502 && statusCode <= 504
}

function orNever(most: number | false): number {
  return most === false ? Infinity : most
}
