import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { AcquiredLease } from '../call/acquire.js'
import type { Clock } from '../clock.js'
import { isItsFault, type AnswerTimes } from '../endpoint/unanswered.js'
import type { Outcome } from '../resilience/outcome.js'
import { answerOfGrpc, answerOfHttp, hasTimeout, type Answer } from './answer.js'
import { endOf } from './connect-error.js'

/** What is known of a request beside its stream. */
export interface Followed {
  /** When it asked for an endpoint, in the clock's milliseconds. */
  readonly since: number
  readonly headers: OutgoingHttpHeaders
  /** Hears how long answers take. */
  readonly answers: AnswerTimes
  readonly clock: Clock
}

/** Has the lease follow the stream of its request: first answer, outcome and end. */
export function follow(stream: ClientHttp2Stream, lease: AcquiredLease, followed: Followed): void {
  new FollowedStream(stream, lease, followed).listen()
}

class FollowedStream {
  readonly #stream: ClientHttp2Stream
  /** What carries it; a stream that has ended knows it no longer. */
  readonly #session: ClientHttp2Stream['session']
  readonly #lease: AcquiredLease
  readonly #followed: Followed
  readonly #startedAt: number
  /** When the endpoint had all of the request; undefined: it has not. */
  #sentAt: number | undefined
  #answered = false
  /** What the endpoint itself has said. */
  #answer: Answer | undefined
  #failed = false
  /** How it ended, where it was ended here. */
  #endedHere: Outcome | undefined

  constructor(stream: ClientHttp2Stream, lease: AcquiredLease, followed: Followed) {
    this.#stream = stream
    this.#session = stream.session
    this.#lease = lease
    this.#followed = followed
    this.#startedAt = followed.clock.now()
  }

  listen(): void {
    const stream = this.#stream
    const { signal } = this.#lease
    // Only by this an abort, or a deadline, of the caller's is told from a reset of the server's. node:http2 closes the
    // streams of a connection that broke off by the same method, and connect-node those that have failed.
    const close = stream.close.bind(stream)
    stream.close = (code, callback) => {
      if (!stream.closed && !this.#failed && isConnected(stream)) this.#endedHere = this.#closedHere(code)
      close(code, callback)
    }
    stream.once('finish', () => (this.#sentAt = this.#followed.clock.now()))
    stream.once('response', (headers) => {
      const answer = answerOfGrpc(headers) ?? answerOfHttp(headers, this.#followed.clock)
      if (answer.outcome === 'success') this.#observe()
      this.#answered = true
      this.#lease.firstAnswer()
      this.#take(answer)
    })
    stream.once('trailers', (trailers: IncomingHttpHeaders) => this.#take(answerOfGrpc(trailers)))
    const end = (): void => {
      // Before: by an error alone the endpoint would hear INTERNAL_ERROR.
      stream.close(constants.NGHTTP2_CANCEL)
      stream.destroy(endOf(signal.reason))
    }
    signal.addEventListener('abort', end)
    stream.once('close', () => {
      signal.removeEventListener('abort', end)
      this.#release()
    })
    // The one who made the request hears of it as well; a stream without a listener would end the process.
    stream.on('error', () => (this.#failed = true))
    if (signal.aborted) end()
  }

  #observe(): void {
    const { answers, clock } = this.#followed
    const now = clock.now()
    answers.observe(Math.max(0, this.#lease.earliest(now) - (this.#sentAt ?? this.#startedAt)), now)
  }

  #take(answer: Answer | undefined): void {
    if (answer === undefined) return
    // An endpoint keeps the deadline of its caller as well, and may say so first.
    const isExcused = answer.isLate && hasTimeout(this.#followed.headers) && !this.#isItsFault()
    this.#answer = isExcused ? { ...answer, outcome: 'ignored' } : answer
  }

  /** connect-node resets by CANCEL what was aborted, and by INTERNAL_ERROR what has run out of time. */
  #closedHere(code: number = constants.NGHTTP2_NO_ERROR): Outcome | undefined {
    if (code === constants.NGHTTP2_NO_ERROR) return undefined
    if (code === constants.NGHTTP2_CANCEL || this.#answered) return 'ignored'
    return this.#isItsFault() ? 'local_failure' : 'ignored'
  }

  /** That the time is over. */
  #isItsFault(): boolean {
    const { since, answers, clock } = this.#followed
    const stream = this.#stream
    // The deadline of a stream is as long as its caller wants to read it.
    if (stream.readableDidRead || stream.readableLength > 0) return false
    const now = clock.now()
    // What it was not sent all of, as its caller had more to say, it need not answer yet.
    const sentAt = this.#sentAt ?? (stream.writableEnded ? this.#startedAt : now)
    return isItsFault({ since, sentAt, until: this.#lease.earliest(now) }, answers.usualMs(now))
  }

  #release(): void {
    const outcome = this.#outcome()
    const pushbackMs = this.#answer?.pushbackMs ?? 0
    if (outcome === 'overloaded' && pushbackMs > 0) this.#lease.release(outcome, { pushbackMs })
    else this.#lease.release(outcome)
  }

  #outcome(): Outcome {
    if (this.#endedHere !== undefined) return this.#endedHere
    const { rstCode } = this.#stream
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM && this.#isGoingAway) return 'ignored'
    if (rstCode !== constants.NGHTTP2_NO_ERROR) return 'local_failure'
    return this.#answer?.outcome ?? 'local_failure'
  }

  /**
   * The server has announced the end of the connection (GOAWAY), by which node:http2 closes the session, while the request
   * was on its way. It has not looked at it (RFC 9113, 8.7). What grpc-js calls by the same name is the state of a connection
   * of its own.
   */
  get #isGoingAway(): boolean {
    return this.#session === undefined || this.#session.closed || this.#session.destroyed
  }
}

function isConnected({ session }: ClientHttp2Stream): boolean {
  return session !== undefined && !session.destroyed && !session.socket.destroyed
}
