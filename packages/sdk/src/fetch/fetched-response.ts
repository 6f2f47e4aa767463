import { Readable } from 'node:stream'
import type { BodyReader } from './body-reader.js'
import { ResponseHeaders } from './response-headers.js'
import type { Target } from './target.js'

/** What a response is before its body. */
export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly Buffer[]
  readonly target: Target
  readonly redirected: boolean
  readonly type: 'basic' | 'cors'
}

/** The process's own; its types declare getters and methods as properties, which no class can override. */
const StandardResponse = Response as unknown as new (body: null) => object

const EMPTY = ''
const UNUSABLE = 'Body is unusable: Body has already been read'

/** A response with this head, and the body that this reader reads; or with one over the stream of `streamed`. */
export function responseOf(
  head: ResponseHead,
  reader: BodyReader | undefined,
  streamed?: Response,
): Response {
  const response: object = new FetchedResponse(head, reader, streamed)
  // It is one: only its types do not say so.
  return response as Response
}

/**
 * A standard `Response` that costs nothing but what is asked of it. The process's own makes headers and a stream for
 * every response (4 and 32 of the 40 µs that it takes on Node 20); here each is made at its first use, and `text`,
 * `json`, `arrayBuffer` and `bytes` read a body that no stream was made of without one. Whatever else there is to know
 * of a body is left to a real one over the stream.
 */
class FetchedResponse extends StandardResponse implements Response {
  readonly #head: ResponseHead
  /** Undefined: it has no body. */
  readonly #reader: BodyReader | undefined
  #headers: Headers | undefined
  /** Over the stream of the body, once someone wants that. */
  #streamed: Response | undefined
  /** Has the reader read it, past any stream? */
  #read = false

  constructor(head: ResponseHead, reader: BodyReader | undefined, streamed?: Response) {
    super(null)
    this.#head = head
    this.#reader = reader
    this.#streamed = streamed
  }

  get type(): Response['type'] {
    return this.#head.type
  }

  get url(): string {
    return this.#head.target.href
  }

  get redirected(): boolean {
    return this.#head.redirected
  }

  get status(): number {
    return this.#head.status
  }

  get ok(): boolean {
    const { status } = this.#head
    return status >= 200 && status <= 299
  }

  get statusText(): string {
    return this.#head.statusText
  }

  get headers(): Headers {
    return (this.#headers ??= new ResponseHeaders(this.#head.rawHeaders) as unknown as Headers)
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#asStreamed()?.body ?? null
  }

  get bodyUsed(): boolean {
    return this.#read || (this.#streamed?.bodyUsed ?? false)
  }

  clone(): Response {
    if (this.#unusable()) throw new TypeError('Response.clone: Body has already been consumed.')
    return responseOf(this.#head, undefined, this.#asStreamed()?.clone())
  }

  text(): Promise<string> {
    return this.#take((reader) => reader.text()) ?? this.#standard().text()
  }

  json(): Promise<unknown> {
    return this.#take((reader) => reader.json()) ?? this.#standard().json()
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return (
      this.#take((reader) => reader.bytes().then(({ buffer }) => buffer)) ?? this.#standard().arrayBuffer()
    )
  }

  // Not on Node 20, whose own responses do not have it; it does no harm there.
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return (
      this.#take((reader) => reader.bytes()) ??
      this.#standard()
        .arrayBuffer()
        .then((buffer) => new Uint8Array(buffer))
    )
  }

  blob(): Promise<Blob> {
    return (
      this.#take((reader) => reader.bytes().then((bytes) => this.#of(bytes).blob())) ??
      this.#standard().blob()
    )
  }

  // Deprecated for large forms from anyone, and the standard's all the same.
  /* eslint-disable @typescript-eslint/no-deprecated */
  formData(): Promise<FormData> {
    return (
      this.#take((reader) => reader.bytes().then((bytes) => this.#of(bytes).formData())) ??
      this.#standard().formData()
    )
  }
  /* eslint-enable @typescript-eslint/no-deprecated */

  /** Reads the body past any stream; undefined: it has none, or a stream was made of it. */
  #take<T>(read: (reader: BodyReader) => Promise<T>): Promise<T> | undefined {
    if (this.#reader === undefined || this.#streamed !== undefined) {
      return this.#unusable() ? Promise.reject(new TypeError(UNUSABLE)) : undefined
    }
    if (this.#read) return Promise.reject(new TypeError(UNUSABLE))
    this.#read = true
    return read(this.#reader)
  }

  #unusable(): boolean {
    if (this.#read) return true
    const stream = this.#streamed?.body ?? undefined
    return stream !== undefined && (stream.locked || Readable.isDisturbed(stream as unknown as Readable))
  }

  /** The real one: over the stream, or without a body. */
  #standard(): Response {
    return this.#asStreamed() ?? this.#of(null)
  }

  #asStreamed(): Response | undefined {
    if (this.#streamed === undefined && this.#reader !== undefined) {
      this.#streamed = this.#of(this.#read ? EMPTY : this.#reader.stream())
      // What has been read past it shows as a stream that has been read: locked and disturbed, as `text` leaves it.
      if (this.#read) void this.#streamed.body?.getReader().read()
    }
    return this.#streamed
  }

  #of(body: ConstructorParameters<typeof Response>[0]): Response {
    return new Response(body, { headers: this.headers })
  }
}

Object.defineProperty(FetchedResponse, 'name', { value: 'Response' })
for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(FetchedResponse.prototype))) {
  // As in the process's own, so that a loop over the properties of a response finds them.
  if (name !== 'constructor')
    Object.defineProperty(FetchedResponse.prototype, name, { ...property, enumerable: true })
}
