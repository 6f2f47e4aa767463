import { IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { errors, FormData, Response, type Dispatcher } from 'undici'
import { asError } from '../errors.js'

type Chunk = Uint8Array | string
type Chunks = Iterable<unknown> | AsyncIterable<unknown>

/** A body of any type that undici takes, as it is sent. */
export type Http2Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'stream'; readonly stream: Readable }
  /** `length` in bytes, and its content type; undefined: not known. */
  | {
      readonly kind: 'chunks'
      readonly chunks: Chunks
      readonly length: number | undefined
      readonly type: string | undefined
    }

const NO_BODY: Http2Body = { kind: 'none' }

/** @throws InvalidArgumentError for what is no body. */
export function http2Body(body: Dispatcher.DispatchOptions['body']): Http2Body {
  const given: unknown = body
  if (given === undefined || given === null) return NO_BODY
  if (typeof given === 'string') return ofBytes(Buffer.from(given))
  if (ArrayBuffer.isView(given)) return ofBytes(Buffer.from(given.buffer, given.byteOffset, given.byteLength))
  if (given instanceof ArrayBuffer) return ofBytes(Buffer.from(given))
  if (given instanceof FormData) {
    const response = new Response(given)
    const type = response.headers.get('content-type') ?? undefined
    return { kind: 'chunks', chunks: response.body ?? [], length: undefined, type }
  }
  if (isBlob(given)) {
    const { size, type } = given
    return { kind: 'chunks', chunks: given.stream(), length: size, type: type === '' ? undefined : type }
  }
  if (isReadable(given)) return { kind: 'stream', stream: given }
  if (isChunks(given)) return { kind: 'chunks', chunks: given, length: undefined, type: undefined }
  throw new errors.InvalidArgumentError(
    'body must be a string, a Buffer, a Readable stream, an iterable, or an async iterable',
  )
}

/** Its length in bytes; undefined: not known before it has been sent. */
export function lengthOfBody(body: Http2Body): number | undefined {
  if (body.kind === 'none') return 0
  if (body.kind === 'bytes') return body.bytes.length
  return body.kind === 'chunks' ? body.length : undefined
}

/** Hears how the sending of a body goes. */
export interface UploadListener {
  onBodySent(chunk: Chunk): void
  onRequestSent(): void
  /** It cannot be sent: what its source failed by, or it is not as long as it said. Nothing follows. */
  onUploadFailed(error: Error): void
}

/** Writes one body, as fast as the endpoint takes it. */
export class Upload {
  readonly #body: Http2Body
  readonly #into: Writable
  readonly #length: number | undefined
  readonly #listener: UploadListener
  #sent = 0
  #complete = false
  /** Nothing more is sent: it is complete, or was stopped. */
  #over = false
  /** Continues what waits for the endpoint to take more. */
  #drained: (() => void) | undefined
  #detach: (() => void) | undefined

  /** @param length What was said of it, in bytes; undefined: nothing. */
  constructor(body: Http2Body, into: Writable, length: number | undefined, listener: UploadListener) {
    this.#body = body
    this.#into = into
    this.#length = length
    this.#listener = listener
  }

  /** Has all of it been handed to the connection? */
  get complete(): boolean {
    return this.#complete
  }

  start(): void {
    const body = this.#body
    if (body.kind === 'stream') this.#read(body.stream)
    else if (body.kind === 'chunks') void this.#iterate(body.chunks)
    else {
      if (body.kind === 'bytes') this.#write(body.bytes)
      this.#end()
    }
  }

  /** Sends nothing more; a source that is not at its end is destroyed by `reason`, as undici does it. */
  stop(reason: Error): void {
    if (this.#over) return
    this.#over = true
    this.#detach?.()
    this.#drained?.()
    if (this.#body.kind === 'stream') destroySource(this.#body.stream, reason)
  }

  #read(source: Readable): void {
    const cut = (): void => {
      // Destroyed by its owner, without an end and without an error.
      if (!source.readableEnded) this.#fail(source.errored ?? new errors.RequestAbortedError())
    }
    const end = (): void => this.#end()
    const fail = (error: Error): void => this.#fail(error)
    const drain = (): void => void source.resume()
    const data = (chunk: unknown): void => {
      if (!this.#write(chunk)) source.pause()
    }
    this.#detach = () => {
      source.off('data', data).off('end', end).off('error', fail).off('close', cut)
      this.#into.off('drain', drain)
    }
    if (source.readableEnded) this.#end()
    else if (source.destroyed) cut()
    else {
      this.#into.on('drain', drain)
      source.on('end', end).on('error', fail).on('close', cut).on('data', data)
      source.resume()
    }
  }

  async #iterate(chunks: Chunks): Promise<void> {
    const drained = (): void => this.#drained?.()
    this.#detach = () => this.#into.off('drain', drained)
    this.#into.on('drain', drained)
    try {
      for await (const chunk of chunks) {
        if (this.#isOver()) return
        if (!this.#write(chunk)) await new Promise<void>((resolve) => (this.#drained = resolve))
      }
      this.#end()
    } catch (thrown) {
      this.#fail(asError(thrown))
    }
  }

  /** False: the endpoint takes no more for now. */
  #write(given: unknown): boolean {
    const chunk = given as Chunk
    if (this.#over) return true
    const size = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    if (size === 0) return true
    this.#sent += size
    if (this.#length !== undefined && this.#sent > this.#length) {
      this.#fail(new errors.RequestContentLengthMismatchError())
      return true
    }
    try {
      const more = this.#into.write(chunk)
      this.#listener.onBodySent(chunk)
      return more
    } catch (thrown) {
      // What is neither text nor bytes.
      this.#fail(asError(thrown))
      return true
    }
  }

  #end(): void {
    if (this.#over) return
    if (this.#length !== undefined && this.#sent !== this.#length) {
      this.#fail(new errors.RequestContentLengthMismatchError())
      return
    }
    this.#complete = true
    this.#over = true
    this.#detach?.()
    this.#into.end()
    this.#listener.onRequestSent()
  }

  /** A function, as the compiler takes what a callback writes to stay as it was. */
  #isOver(): boolean {
    return this.#over
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.stop(error)
    this.#listener.onUploadFailed(error)
  }
}

function destroySource(source: Readable, reason: Error): void {
  source.on('error', () => undefined)
  if (source.destroyed) return
  // Of a server's request, the connection is not ours to end: its response is still to be sent.
  if (source instanceof IncomingMessage) (source as { socket: unknown }).socket = null
  source.destroy(reason)
}

function ofBytes(bytes: Buffer): Http2Body {
  return bytes.length === 0 ? NO_BODY : { kind: 'bytes', bytes }
}

function isReadable(body: unknown): body is Readable {
  const { pipe, on } = body as Partial<Readable>
  return typeof pipe === 'function' && typeof on === 'function'
}

function isBlob(body: unknown): body is Blob {
  if (body instanceof Blob) return true
  const tag = (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
  return (tag === 'Blob' || tag === 'File') && typeof (body as Blob).stream === 'function'
}

function isChunks(body: unknown): body is Chunks {
  return (
    typeof body === 'object' && body !== null && (Symbol.iterator in body || Symbol.asyncIterator in body)
  )
}
