import type { Readable } from 'node:stream'
import { errors, util } from 'undici'
import { systemClock } from '../clock.js'
import { asError, FairleadError } from '../errors.js'
import { WatchedBody } from '../request/watched-body.js'
import { isOutcome, type Outcome, type OutcomeDetails } from '../resilience/outcome.js'
import { retryAfterMs } from '../resilience/retry-after.js'
import { invalidOption } from '../validation/invalid-option.js'

/** What an attempt has brought, for a {@link Classify} of the user's. */
export type AttemptResult =
  /** The head of a final response (not of a 1xx). */
  | {
      /** Tells it apart from the end of a response and from an error. */
      readonly kind: 'head'
      /** 200 to 599. */
      readonly statusCode: number
      /** By their names in lower case; several of one name as an array. */
      readonly headers: Readonly<Record<string, string | string[] | undefined>>
    }
  /** The end of a response whose head was `pending`. */
  | {
      /** Tells it apart from a head and from an error. */
      readonly kind: 'trailers'
      /** By their names in lower case; empty: there were none. */
      readonly trailers: Readonly<Record<string, string | string[] | undefined>>
    }
  /** No response: refused, reset, timed out. Errors that are the caller's own are not asked about. */
  | {
      /** Tells it apart from a response. */
      readonly kind: 'error'
      /** As undici or the socket gave it. */
      readonly error: Error
    }

/**
 * Decides how an attempt went, as far as its endpoint is concerned; `pending`, of a head only: the trailers decide (gRPC).
 * `undefined`: as by default. What it throws counts as `undefined`.
 */
export type Classify = (answer: AttemptResult) => Outcome | 'pending' | undefined

/** Whose failure an error is. */
export type Fault =
  /** The request failed by itself, and would on any endpoint: refused by undici, or by the body that the caller gave. */
  | 'caller'
  /** This process: connections that were closed here, or a machine that has no more to give. */
  | 'process'
  /** The response is too large to be read: another endpoint would send the same. */
  | 'response'
  | 'endpoint'

/** What there is to know of an attempt that has failed without a response. */
export interface ClassifiedError {
  readonly outcome: Outcome
  readonly fault: Fault
  /** What to do about it, where this machine has run out of something. */
  readonly advice: string | undefined
}

/** What there is to know of an attempt by the head of its response; `pending`: the trailers decide. */
export interface ClassifiedHead extends OutcomeDetails {
  readonly outcome: Outcome | 'pending'
}

/**
 * The one place that decides how an attempt went: from a head, from trailers, or from an error.
 * By default a status of 500 or more is a failure of the endpoint, as is an error that is not the caller's.
 */
export class Classifier {
  readonly #classify: Classify | undefined
  readonly #onThrow: (error: Error) => void
  readonly #unixTime: () => number
  /** One for each status, so that a response allocates none. */
  readonly #byStatus: ClassifiedHead[] = []

  /**
   * @param onThrow Hears what `classify` threw, and of what it returned that is no outcome.
   * @param unixTime Milliseconds since 1970, for a `Retry-After` that is a date.
   */
  constructor(
    classify?: Classify,
    onThrow: (error: Error) => void = () => undefined,
    unixTime: () => number = () => systemClock.unixTime(),
  ) {
    this.#classify = classify
    this.#onThrow = onThrow
    this.#unixTime = unixTime
  }

  head(statusCode: number, headers: Buffer[]): ClassifiedHead {
    const usual = this.#usual(statusCode, headers)
    if (this.#classify === undefined) return usual
    const outcome = this.#ask({ kind: 'head', statusCode, headers: util.parseHeaders(headers) })
    if (outcome === undefined || outcome === usual.outcome) return usual
    return { outcome, statusCode, pushbackMs: 0 }
  }

  trailers(trailers: Buffer[]): Outcome {
    const outcome = this.#classify && this.#ask({ kind: 'trailers', trailers: util.parseHeaders(trailers) })
    return outcome === undefined || outcome === 'pending' ? 'success' : outcome
  }

  /** @param body That of the request. */
  error(error: Error, body: unknown): ClassifiedError {
    if (isOfTheCaller(error, body)) return { outcome: 'ignored', fault: 'caller', advice: undefined }
    const advice = EXHAUSTED.get((error as NodeJS.ErrnoException).code)
    if (advice !== undefined || isOfClosing(error)) return { outcome: 'ignored', fault: 'process', advice }
    const fault = error instanceof errors.HeadersOverflowError ? 'response' : 'endpoint'
    const usual = fault === 'response' || isInvalidResponse(error) ? 'ignored' : 'local_failure'
    const asked = this.#classify && this.#ask({ kind: 'error', error })
    return { outcome: asked === undefined || asked === 'pending' ? usual : asked, fault, advice }
  }

  /** Does the user have a say? */
  get asks(): boolean {
    return this.#classify !== undefined
  }

  /** What the user's `classify` says of an answer that is none of HTTP/1.1; undefined: nothing, or to wait. */
  asked(answer: AttemptResult): Outcome | undefined {
    const said = this.#classify && this.#ask(answer)
    return said === 'pending' ? undefined : said
  }

  #usual(statusCode: number, headers: readonly Buffer[]): ClassifiedHead {
    if (statusCode === 429 || statusCode === 503) {
      const pushbackMs = retryAfterMs(headers, this.#unixTime)
      // It answers, and says how long not to ask: that is load, and no sickness.
      if (pushbackMs > 0) return { outcome: 'overloaded', statusCode, pushbackMs }
    }
    return (this.#byStatus[statusCode] ??= {
      outcome: statusCode >= 500 ? 'remote_failure' : 'success',
      statusCode,
      pushbackMs: 0,
    })
  }

  #ask(answer: AttemptResult): Outcome | 'pending' | undefined {
    try {
      const said: unknown = this.#classify?.(answer)
      if (said === undefined || isWord(said)) return said
      this.#onThrow(notAWord(said))
    } catch (thrown) {
      this.#onThrow(asError(thrown))
    }
    return undefined
  }
}

function isWord(said: unknown): said is Outcome | 'pending' {
  return isOutcome(said) || said === 'pending'
}

function notAWord(said: unknown): FairleadError {
  const promised = said instanceof Promise
  // It may reject, and there is no one else to hear of it.
  if (promised) said.catch(() => undefined)
  const wanted = 'success, remote_failure, local_failure, overloaded, ignored, pending or undefined'
  return invalidOption('what classify returned', said, promised ? `at once one of ${wanted}` : wanted)
}

function isOfTheCaller(error: Error, body: unknown): boolean {
  return (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError ||
    // Calls are aborted by other means, so that this is undici's for a stream that was destroyed before its end.
    error instanceof errors.RequestAbortedError ||
    // A Blob that cannot be read: no socket throws these.
    error instanceof DOMException ||
    // A chunk of a body that is neither text nor bytes.
    (error as NodeJS.ErrnoException).code === 'ERR_INVALID_ARG_TYPE' ||
    failureOf(body) === error
  )
}

function isOfClosing(error: Error): boolean {
  return (
    error instanceof errors.ClientClosedError ||
    error instanceof errors.ClientDestroyedError ||
    (error instanceof FairleadError && (error.code === 'CLIENT_CLOSED' || error.code === 'UNAVAILABLE'))
  )
}

/**
 * It speaks HTTP, and this response of it is invalid, as one of its routes may always send it: no reason to open the
 * circuit for all others. What speaks another protocol is no instance of this service.
 */
function isInvalidResponse(error: Error): boolean {
  return error instanceof errors.HTTPParserError && !NOT_HTTP.test(error.message)
}

// What llhttp says of bytes where `HTTP/1.1 200` should be. undici hands on no code of it; a test on real bytes holds these.
const NOT_HTTP =
  /\((?:Expected HTTP\/|Invalid HTTP version|Invalid status code|Expected (?:dot|space after version))/

function failureOf(body: unknown): unknown {
  if (body instanceof WatchedBody) return body.failure
  return typeof body === 'object' && body !== null ? (body as Readable).errored : undefined
}

// Descriptors, ports and memory of this machine, as connect(2) and socket(2) report them.
const EXHAUSTED: ReadonlyMap<string | undefined, string> = new Map([
  [
    'EMFILE',
    'this process has no file descriptor left: raise its limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker)',
  ],
  ['ENFILE', 'this machine has no file descriptor left: raise fs.file-max'],
  [
    'EADDRNOTAVAIL',
    'this machine has no local address or port left to connect from: widen net.ipv4.ip_local_port_range, or keep connections longer (option connections.keepAliveMs)',
  ],
  ['ENOBUFS', 'this machine has no memory left for another connection'],
  ['ENOMEM', 'this machine has no memory left for another connection'],
])
