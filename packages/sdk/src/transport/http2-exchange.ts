import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { errors } from 'undici'
import { nextTurn } from '../clock.js'
import type { Linked } from '../collections/linked-list.js'
import { asError } from '../errors.js'
import { isReplayable } from '../request/bodies.js'
import { Upload, http2Body, lengthOfBody, type Http2Body, type UploadListener } from './http2-body.js'
import {
  assertHeadFits,
  http2RequestHead,
  sizeOf,
  toRawHeaders,
  type Http2RequestHead,
} from './http2-head.js'
import type { TransportRequest } from './transport.js'

/** What limits the exchanges of a connection. */
export interface ExchangeLimits {
  /** Of the endpoint. */
  readonly origin: string
  /** Longest pause within a response, in milliseconds; 0: none is too long. */
  readonly bodyTimeoutMs: number
  /** Of the head of a response, in bytes. */
  readonly maxHeaderBytes: number
}

/** What an endpoint says when it closes a connection. */
export interface Goaway {
  readonly code: number
  /** Of the last stream that it has looked at, or will. */
  readonly lastStreamId: number
}

/** What the connection hears of an exchange. */
export interface ExchangeOwner {
  /** The endpoint has said something. */
  heard(): void
  /** We have ended it, and the endpoint had not said anything of it. */
  unanswered(): void
  /** What the endpoint has said as it closes the connection; undefined: it does not. */
  readonly goaway: Goaway | undefined
  /** There is no stream to be had on its session any more. */
  drain(): void
  /** Its stream is closed, and its place free. Comes once. */
  closed(exchange: Exchange): void
}

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM, NGHTTP2_NO_ERROR } = constants
const { NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_FRAME_SIZE_ERROR } = constants
/** RFC 9113, 6.2. */
const HEADERS = 1

/** One request on one stream of HTTP/2, and its response. */
export class Exchange implements Linked<Exchange>, UploadListener {
  before: Exchange | undefined
  after: Exchange | undefined
  /** For a failure of the connection, and for none of the endpoint's, it can be sent again as it is. */
  resendable = false
  /** The endpoint wants it over HTTP/1.1, and it can be sent again as it is. */
  wantsHttp1 = false
  readonly #request: TransportRequest
  readonly #limits: ExchangeLimits
  readonly #owner: ExchangeOwner
  #stream: ClientHttp2Stream | undefined
  #upload: Upload | undefined
  /** Cuts an upload: see `#reset`. */
  #cutting: AbortController | undefined
  /** Its request has heard the last of it. */
  #over = false
  /** The reader wants a pause. */
  #paused = false
  /** Has the endpoint said anything of it? A server that has cannot say that it has not processed it (undici#5788). */
  #answered = false
  /** Has the head of a final response come? */
  #headed = false
  /** The endpoint has ended the stream as it should (END_STREAM), and all has been read off it. */
  #whole = false
  #read = false
  /** What has come while the reader paused, once there is nothing to hold back at the endpoint any more. */
  readonly #kept: Buffer[] = []
  #headers: readonly Buffer[] = []
  #trailers: Buffer[] = []
  #received = 0
  /** Pieces of a response that were read. */
  #reads = 0
  #error: Error | undefined

  constructor(request: TransportRequest, limits: ExchangeLimits, owner: ExchangeOwner) {
    this.#request = request
    this.#limits = limits
    this.#owner = owner
  }

  /** Sends the request. Its owner hears `closed` in any case. */
  begin(session: ClientHttp2Session): void {
    const request = this.#request
    let head: Http2RequestHead
    let body: Http2Body
    try {
      const options = request.toSend?.() ?? request.options
      body = http2Body(options.body)
      head = http2RequestHead(options, this.#limits.origin)
    } catch (thrown) {
      this.#unsent(asError(thrown))
      return
    }
    request.onConnect((reason) => this.abort(reason ?? new errors.RequestAbortedError()))
    // Cancelled before its turn came.
    if (this.#over) {
      this.#owner.closed(this)
      return
    }
    try {
      const length = lengthToSend(request.options.method, body, head)
      assertHeadFits(head.fields, session.remoteSettings)
      if (body.kind === 'stream' || body.kind === 'chunks') this.#cutting = new AbortController()
      const stream = session.request(head.fields, {
        endStream: body.kind === 'none',
        ...(this.#cutting === undefined ? {} : { signal: this.#cutting.signal }),
      })
      this.#stream = stream
      // Else it has not begun, as where the ids of streams have run out: its error and its end follow.
      if (!stream.destroyed) this.#upload = new Upload(body, stream, length, this)
    } catch (thrown) {
      if (hasEnded(thrown)) {
        this.#owner.drain()
        this.#leaveUnsent()
      }
      this.#unsent(refusal(thrown))
      return
    }
    this.#listen(this.#stream)
    this.#upload?.start()
  }

  /** Ends it from our side: its request gets `reason`, unless it is over. */
  abort(reason: Error): void {
    if (this.#over) return
    if (this.#stream !== undefined && !this.#answered) this.#owner.unanswered()
    this.#end(reason)
    this.#request.onError(reason)
  }

  onBodySent(chunk: Uint8Array | string): void {
    if (!this.#over) this.#request.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    if (!this.#over) this.#request.onRequestSent?.()
  }

  onUploadFailed(error: Error): void {
    this.#fail(error)
  }

  #listen(stream: ClientHttp2Stream): void {
    noteWholeness(stream, () => {
      this.#whole = true
      // There is nothing left to hold back, and what node has not handed on it drops when the session ends.
      stream.resume()
    })
    stream.on('headers', (_fields, _flags, raw?: string[]) => this.#interim(raw ?? []))
    stream.on('response', (_fields, _flags, raw?: string[]) => this.#response(stream, raw ?? []))
    stream.on('trailers', (_fields, _flags, raw?: string[]) => (this.#trailers = toRawHeaders(raw ?? [])))
    stream.on('end', () => this.#ended(stream))
    stream.on('error', (error: Error) => (this.#error ??= error))
    stream.on('frameError', (type: number, code: number) => this.#frameFailed(type, code))
    stream.on('close', () => this.#closed(stream))
    const { headersTimeout } = this.#request.options
    if (headersTimeout) {
      stream.setTimeout(headersTimeout, () =>
        this.#unlessRead(() => this.#fail(new errors.HeadersTimeoutError())),
      )
    }
  }

  /**
   * nghttp2 could not send a frame. Node resets the stream then, by a code that is none of the endpoint's, and ends the
   * session.
   */
  #frameFailed(type: number, code: number): void {
    this.#owner.drain()
    if (this.#over) return
    if (type !== HEADERS) {
      this.#fail(new errors.SocketError(`a frame of HTTP/2 could not be sent, type ${type}: ${nameOf(code)}`))
      return
    }
    this.#leaveUnsent()
    const tooLarge = code === NGHTTP2_FRAME_SIZE_ERROR
    if (tooLarge) this.resendable = false
    const why = `the head of the request could not be sent: ${nameOf(code)}`
    this.#fail(tooLarge ? new errors.InvalidArgumentError(why) : new errors.SocketError(why))
  }

  /** RFC 9110, 15.2: any number of them before the final one. */
  #interim(list: readonly string[]): void {
    const status = statusOf(list)
    if (this.#over || this.#headed || status >= 200) return
    this.#heard()
    this.#request.onHeaders(status, toRawHeaders(list), ignore, '')
  }

  #response(stream: ClientHttp2Stream, list: readonly string[]): void {
    if (this.#over) return
    this.#heard()
    this.#headed = true
    const headers = toRawHeaders(list)
    this.#headers = headers
    if (sizeOf(headers) > this.#limits.maxHeaderBytes) {
      this.#fail(new errors.HeadersOverflowError())
      return
    }
    this.#limitPauses(stream)
    const goesOn = this.#request.onHeaders(statusOf(list), headers, () => this.#resume(stream), '')
    if (this.#isOver()) return
    this.#paused = !goesOn
    // Before the listener, which would begin to read.
    if (this.#paused && !this.#whole) stream.pause()
    stream.on('data', (chunk: Buffer) => this.#data(stream, chunk))
    if (this.#whole) stream.resume()
  }

  #data(stream: ClientHttp2Stream, chunk: Buffer): void {
    if (this.#over) return
    this.#owner.heard()
    this.#reads++
    this.#received += chunk.length
    if (this.#paused) this.#kept.push(chunk)
    else if (!this.#hand(chunk) && !this.#whole) stream.pause()
  }

  #resume(stream: ClientHttp2Stream): void {
    if (!this.#paused) return
    this.#paused = false
    while (this.#kept.length > 0 && this.#goesOn()) {
      const chunk = this.#kept.shift()
      if (chunk !== undefined) this.#hand(chunk)
    }
    if (!this.#goesOn()) return
    if (this.#read) this.#complete()
    else {
      this.#limitPauses(stream)
      stream.resume()
    }
  }

  /** Functions, as the compiler takes what a callback writes to stay as it was. */
  #goesOn(): boolean {
    return !this.#paused && !this.#over
  }

  #isOver(): boolean {
    return this.#over
  }

  #hand(chunk: Buffer): boolean {
    const goesOn = this.#request.onData(chunk)
    this.#paused = !goesOn
    return goesOn
  }

  /** All has been read off the stream. */
  #ended(stream: ClientHttp2Stream): void {
    // Servers of node's, that write in pieces and never look at the request, leave END_STREAM out and reset by NO_ERROR.
    // Without a length that cannot be told from a response that was cut.
    if (stream.rstCode === NGHTTP2_NO_ERROR && this.#received === lengthOf(this.#headers)) this.#whole = true
    // A stream that was reset ends for node, too.
    if (this.#over || !this.#whole || !this.#headed) return
    this.#read = true
    if (!this.#paused) this.#complete()
  }

  #complete(): void {
    // RFC 9113, 8.1: the response is whole, also where the endpoint did not want the rest of the request.
    this.#end(new errors.RequestAbortedError())
    this.#request.onComplete(this.#trailers)
  }

  #closed(stream: ClientHttp2Stream): void {
    if (isOutOfStreams(this.#error)) this.#owner.drain()
    this.#owner.closed(this)
    if (this.#over || this.#read) return
    if (!this.#answered) this.#noteRefusal(stream)
    this.#fail(failure(this.#error, stream.rstCode))
  }

  /** Has the endpoint said that it has not processed the request? */
  #noteRefusal({ id, rstCode }: ClientHttp2Stream): void {
    if (id === undefined) {
      this.#leaveUnsent()
      return
    }
    const { goaway } = this.#owner
    const behind = goaway !== undefined && id > goaway.lastStreamId
    const code = behind ? goaway.code : rstCode
    if (code === NGHTTP2_HTTP_1_1_REQUIRED) this.wantsHttp1 = isReplayable(this.#request.options.body)
    if (!behind && rstCode !== NGHTTP2_REFUSED_STREAM) return
    // RFC 9113, 8.7: it may be sent anywhere again, whatever it is. On a connection that stays, that the endpoint has too
    // much to do: to ask it again at once would only be more.
    this.#request.unprocessed = true
    this.resendable = goaway !== undefined && isReplayable(this.#request.options.body)
  }

  /** No byte of it has left this process. */
  #leaveUnsent(): void {
    this.resendable = this.#upload === undefined || isReplayable(this.#request.options.body)
    // What has been read of an upload cannot be read again.
    if (this.resendable) this.#request.written = false
    else this.#request.unprocessed = true
  }

  /** It has no stream. */
  #unsent(error: Error): void {
    this.#owner.closed(this)
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#end(error)
    this.#request.onError(error)
  }

  /** Nothing more is handed on, and nothing more is sent. */
  #end(reason: Error): void {
    this.#over = true
    this.#kept.length = 0
    const uploads = this.#upload?.complete === false
    this.#upload?.stop(reason)
    if (uploads || !this.#read) this.#reset(uploads)
  }

  /**
   * By CANCEL. Before that, node's `close` ends the stream as if the request were whole, so that a server would take an
   * upload that was cut for a complete one. Aborted by its signal, the stream is only reset.
   * In a turn of its own: this one may be that of a frame that nghttp2 is in the middle of.
   */
  #reset(uploads: boolean): void {
    const stream = this.#stream
    if (stream === undefined || stream.closed) return
    void nextTurn().then(() => {
      if (uploads && this.#cutting !== undefined) this.#cutting.abort()
      else stream.close(NGHTTP2_CANCEL)
    })
  }

  #heard(): void {
    this.#answered = true
    this.#reads++
    if (!this.#request.answered) this.#request.onResponseStarted?.()
    this.#owner.heard()
  }

  /** Node counts from the last byte in either direction; while the reader pauses, none can come. */
  #limitPauses(stream: ClientHttp2Stream): void {
    const ms = this.#request.options.bodyTimeout ?? this.#limits.bodyTimeoutMs
    stream.removeAllListeners('timeout')
    stream.setTimeout(ms, () => {
      if (!this.#paused) this.#unlessRead(() => this.#fail(new errors.BodyTimeoutError()))
    })
  }

  /** Node runs timers before it reads: what came while our own event loop was held up is not missing. */
  #unlessRead(fail: () => void): void {
    const reads = this.#reads
    void nextTurn().then(() => {
      if (reads === this.#reads) fail()
    })
  }
}

/**
 * Calls back when the endpoint ends the stream as it should. Node hands an end to the reader also where the endpoint has
 * reset the stream with NO_ERROR in the middle of a response, and nothing else of it tells the two apart.
 */
function noteWholeness(stream: ClientHttp2Stream, onWhole: () => void): void {
  const push = stream.push.bind(stream)
  stream.push = (chunk, encoding) => {
    const whole = chunk === null && !stream.closed
    const goesOn = push(chunk, encoding)
    if (whole) onWhole()
    return goesOn
  }
}

/** Writes into the head what is known of the body, as undici does. Returns how long the body has to be, in bytes. */
function lengthToSend(method: string, body: Http2Body, head: Http2RequestHead): number | undefined {
  const { fields, contentLength } = head
  if (body.kind === 'none') {
    // RFC 9110, 8.6: where the method has a meaning for a body.
    if (method === 'POST' || method === 'PUT' || method === 'PATCH') fields['content-length'] = '0'
    return undefined
  }
  if (body.kind === 'chunks' && body.type !== undefined) fields['content-type'] ??= body.type
  const known = lengthOfBody(body)
  if (known !== undefined && contentLength !== undefined && known !== contentLength) {
    throw new errors.RequestContentLengthMismatchError()
  }
  const length = known ?? contentLength
  if (length !== undefined) fields['content-length'] = String(length)
  return length
}

/** What a head says of the length of its body, in bytes; undefined: nothing. */
function lengthOf(headers: readonly Buffer[]): number | undefined {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toString('latin1') === 'content-length')
      return Number(headers[index + 1]?.toString('latin1'))
  }
  return undefined
}

function statusOf(list: readonly string[]): number {
  const place = list.indexOf(':status')
  return Number(list[place + 1])
}

/** What `session.request` threw. */
function refusal(thrown: unknown): Error {
  const error = asError(thrown)
  if (error instanceof errors.UndiciError) return error
  if (hasEnded(error)) return new errors.SocketError('the HTTP/2 session has ended')
  return new errors.InvalidArgumentError(error.message)
}

/** Has the session ended, so that no stream was made? */
function hasEnded(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException
  return code === 'ERR_HTTP2_INVALID_SESSION' || code === 'ERR_HTTP2_GOAWAY_SESSION'
}

/** Have the ids of its session run out? Node destroys the stream by it and throws nothing. */
function isOutOfStreams(error: Error | undefined): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_HTTP2_OUT_OF_STREAMS'
}

/** Why a stream has closed before its response was whole. */
function failure(error: Error | undefined, rstCode: number | undefined): Error {
  // That of the session or the socket, which ends all streams; for a stream that is reset node only wraps the code.
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (error !== undefined && code !== 'ERR_HTTP2_STREAM_ERROR') return error
  // By CANCEL node tells that the connection has ended, too.
  if (rstCode === undefined || rstCode === NGHTTP2_CANCEL) return new errors.SocketError('other side closed')
  if (rstCode === NGHTTP2_NO_ERROR) {
    return new errors.SocketError('the endpoint ended the HTTP/2 stream before its response was whole')
  }
  return new errors.SocketError(`the endpoint reset the HTTP/2 stream: ${nameOf(rstCode)}`)
}

function nameOf(code: number): string {
  const found = Object.entries(constants).find(([name, value]) => value === code && ERROR_CODES.has(name))
  return found === undefined ? `error ${code}` : found[0].slice('NGHTTP2_'.length)
}

/** RFC 9113, 7. Other constants of node's have the same numbers. */
const ERROR_CODES: ReadonlySet<string> = new Set(
  [
    ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT'],
    ...['STREAM_CLOSED', 'FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR'],
    ...['CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
  ].map((name) => `NGHTTP2_${name}`),
)

function ignore(): void {}
