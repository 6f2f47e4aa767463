import { connectivityState as State, status as Status, type Metadata } from '@grpc/grpc-js'
import { constants } from 'node:http2'
import type { HeldLease, Leases } from '../call/leases.js'
import type { Clock } from '../clock.js'
import type { AttemptResult } from '../endpoint/classify.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { isItsFault, type AnswerTimes } from '../endpoint/unanswered.js'
import { asError } from '../errors.js'
import { LOAD_HEADER } from '../orca/parse.js'
import {
  grpcPushbackMs,
  outcomeOfGrpcStatus,
  PUSHBACK_HEADER,
  TIMEOUT_HEADER,
} from '../resilience/grpc-outcome.js'
import { NO_DETAILS, type Outcome } from '../resilience/outcome.js'
import type { CallMemory } from './call-memory.js'
import { SentCall } from './sent-call.js'
import type { AttemptListener, AttemptStatus, Subchannel, SubchannelCall } from './types.js'

const { NGHTTP2_REFUSED_STREAM } = constants

/**
 * One attempt of a gRPC call, from its pick to its status: a lease of its endpoint. Its load counts from the pick, so that
 * of many calls in one turn each sees those before it; latency from the last that was sent to the first that was answered.
 */
export class Attempt {
  readonly #endpoint: Endpoint
  readonly #answers: AnswerTimes
  readonly #memory: CallMemory
  readonly #leases: Leases
  readonly #clock: Clock
  #held: HeldLease | undefined
  #call: SentCall | undefined
  /** What carries it. */
  #subchannel: Subchannel | undefined
  /** The endpoint has been told a deadline. */
  #isBounded = false
  /** It has brought headers or a message. */
  #answered = false
  /** How it ended by what came in; undefined: it was ended here. */
  #received: AttemptStatus | undefined

  constructor(endpoint: Endpoint, answers: AnswerTimes, memory: CallMemory, leases: Leases, clock: Clock) {
    this.#endpoint = endpoint
    this.#answers = answers
    this.#memory = memory
    this.#leases = leases
    this.#clock = clock
  }

  /** Has it been sent? Between the pick and that grpc-js waits for call credentials, and may give the call up. */
  get started(): boolean {
    return this.#call !== undefined
  }

  /** Takes a lease, if it has none. False: the endpoint's circuit refuses. */
  reserve(): boolean {
    this.#held ??= this.#leases.take(this.#endpoint, (error) =>
      this.#call?.cancelWithStatus(Status.UNAVAILABLE, error.message),
    )
    return this.#held !== undefined
  }

  /** It has not been sent, and may never be. */
  lapse(): void {
    if (this.started) return
    this.#held?.release('ignored')
    this.#held = undefined
  }

  /** Sends it. */
  start(
    subchannel: Subchannel,
    ...[metadata, host, method, listener, id]: Parameters<Subchannel['createCall']>
  ): SubchannelCall {
    try {
      this.#call = new SentCall(
        subchannel.createCall(metadata, host, method, this.#hearing(listener), id),
        this.#clock,
      )
    } catch (error) {
      this.lapse()
      throw error
    }
    this.#subchannel = subchannel
    this.#isBounded = metadata.get(TIMEOUT_HEADER).length > 0
    this.#memory.add(this.#endpoint)
    return this.#call
  }

  /** Its status is known to grpc-js; comes once for each that was started. */
  readonly ended = (code: Status, details: string, metadata: Metadata): void => {
    this.#takeLoadReport(metadata)
    const pushbackMs = code === Status.OK ? 0 : grpcPushbackMs(code, metadata.get(PUSHBACK_HEADER)[0])
    const outcome = this.#outcome(code, details, metadata, pushbackMs)
    const isPushedBack = pushbackMs > 0 && outcome === 'overloaded'
    this.#held?.release(outcome, isPushedBack ? { statusCode: 0, pushbackMs } : NO_DETAILS)
  }

  #hearing(listener: AttemptListener): AttemptListener {
    return {
      onReceiveMetadata: (metadata) => {
        this.#answer()
        listener.onReceiveMetadata(metadata)
      },
      onReceiveMessage: (message) => {
        this.#answer()
        listener.onReceiveMessage(message)
      },
      onReceiveStatus: (status) => {
        this.#received = status
        listener.onReceiveStatus(status)
      },
    }
  }

  #answer(): void {
    if (this.#answered) return
    this.#answered = true
    if (this.#call === undefined || this.#held === undefined) return
    const { sentAt } = this.#call
    const now = this.#clock.now()
    this.#answers.observe(Math.max(0, this.#held.earliest(now) - sentAt), now)
    this.#held.firstAnswer(sentAt)
  }

  #outcome(code: Status, details: string, metadata: Metadata, pushbackMs: number): Outcome {
    // The deadline of a stream is as long as its caller wants to read it.
    if (code === Status.DEADLINE_EXCEEDED && this.#answered) return 'ignored'
    if (this.#received === undefined) {
      return code === Status.DEADLINE_EXCEEDED && this.#isItsFault ? 'local_failure' : 'ignored'
    }
    // What is too large for us would be from any endpoint.
    if (code === Status.RESOURCE_EXHAUSTED && details.startsWith(TOO_LARGE)) return 'ignored'
    if (this.#received.rstCode === NGHTTP2_REFUSED_STREAM && this.#isGoingAway) return 'ignored'
    // It keeps the deadline of its caller as well, and may say so first.
    const isLate = code === Status.DEADLINE_EXCEEDED && this.#isBounded
    const usual = isLate && !this.#isItsFault ? 'ignored' : outcomeOfGrpcStatus(code, pushbackMs)
    const isCut = this.#received.rstCode !== undefined || details === DROPPED
    const { classifier } = this.#endpoint
    const asked = classifier.asks
      ? classifier.asked(isCut ? brokenOff(code, details) : trailersOf(code, details, metadata))
      : undefined
    return asked ?? (isCut && usual === 'remote_failure' ? 'local_failure' : usual)
  }

  /**
   * The server has announced the end of the connection (GOAWAY) while the call was on its way: as it drains, or as the
   * connection is old. It has not looked at the call (RFC 9113, 8.7), which grpc-js sends once more.
   */
  get #isGoingAway(): boolean {
    return this.#subchannel?.getConnectivityState() !== State.READY
  }

  /** That it let the deadline pass. */
  get #isItsFault(): boolean {
    const now = this.#clock.now()
    const until = this.#held?.earliest(now) ?? now
    const call = { since: this.#memory.since, sentAt: this.#call?.sentAt ?? until, until }
    return isItsFault(call, this.#answers.usualMs(now))
  }

  #takeLoadReport(metadata: Metadata): void {
    if (this.#endpoint.backendLoad === undefined) return
    const [report] = metadata.get(LOAD_HEADER)
    if (typeof report !== 'string') return
    try {
      this.#endpoint.backendLoad.receive(report, Math.floor(this.#clock.now()))
    } catch (thrown) {
      this.#endpoint.observerFailed(asError(thrown))
    }
  }
}

// In the words of grpc-js, which has no other sign of them: Http2SubchannelCall.onDisconnect, StreamDecoder.write.
const DROPPED = 'Connection dropped'
const TOO_LARGE = 'Received message larger than max'

function brokenOff(code: Status, details: string): AttemptResult {
  return { kind: 'error', error: Object.assign(new Error(details), { code: Status[code] }) }
}

/** As they came in, with what grpc-js has taken out of them. */
function trailersOf(code: Status, details: string, metadata: Metadata): AttemptResult {
  const trailers: Record<string, string | string[]> = { 'grpc-status': String(code), 'grpc-message': details }
  for (const [name, value] of Object.entries(metadata.getMap())) trailers[name] = String(value)
  return { kind: 'trailers', trailers }
}
