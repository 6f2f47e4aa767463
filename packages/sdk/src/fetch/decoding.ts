import { pipeline, Transform, type Duplex, type TransformCallback } from 'node:stream'
import zlib from 'node:zlib'
import type { BodySink, BodySource } from './incoming-body.js'

/** More is an attack (GHSA-gm62-xv2j-4w53); the process's own fetch has the same bound. */
const MAX_CODINGS = 5

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_continue, ZSTD_e_end } =
  zlib.constants as typeof zlib.constants & Readonly<Record<'ZSTD_e_continue' | 'ZSTD_e_end', number>>
// What servers send is sometimes cut a little short, and browsers and curl take it.
const LENIENT = { flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH }
/** From Node 22.15 on. */
const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: (options: object) => Transform }

/**
 * The decoders of a response, the outermost coding first; none where one of them is unknown, so that the body is
 * handed on as it is.
 *
 * @throws Error for more codings than anyone uses.
 */
export function decodersFor(contentEncoding: string): (() => Duplex)[] {
  const codings = contentEncoding.toLowerCase().split(',').reverse()
  if (codings.length > MAX_CODINGS) {
    throw new Error(
      `too many content-encodings in response: ${codings.length}, maximum allowed is ${MAX_CODINGS}`,
    )
  }
  const decoders = codings.map((coding) => decoderFor(coding.trim()))
  return decoders.every((decoder) => decoder !== undefined) ? decoders : []
}

function decoderFor(coding: string): (() => Duplex) | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return () => zlib.createGunzip(LENIENT)
    case 'deflate':
      return () => new Inflate()
    case 'br':
      return () =>
        zlib.createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH })
    case 'zstd':
      return createZstdDecompress === undefined
        ? undefined
        : () => createZstdDecompress({ flush: ZSTD_e_continue, finishFlush: ZSTD_e_end })
    default:
      return undefined
  }
}

/** Stands between the wire and a body, and decodes what passes. */
export class Decoding implements BodySink, BodySource {
  readonly #source: BodySource
  readonly #first: Duplex
  readonly #last: Duplex
  #sink: BodySink | undefined
  #empty = true
  #done = false

  constructor(source: BodySource, decoders: readonly (() => Duplex)[]) {
    const streams = decoders.map((make) => make())
    const [first] = streams
    const last = streams.at(-1)
    if (first === undefined || last === undefined) throw new Error('there is no decoder')
    this.#source = source
    this.#first = first
    this.#last = last
    if (streams.length > 1) pipeline(streams, (error) => this.#finish(error ?? undefined))
    else last.on('error', (error) => this.#finish(error))
    last.on('end', () => this.#finish(undefined))
    first.on('drain', () => source.resume())
  }

  /** Where the decoded body goes. */
  into(sink: BodySink): this {
    this.#sink = sink
    this.#last.on('data', (chunk: Buffer) => {
      if (!sink.push(chunk)) this.#last.pause()
    })
    return this
  }

  push(chunk: Uint8Array): boolean {
    if (this.#done) return true
    this.#empty = false
    return this.#first.write(chunk)
  }

  end(): void {
    // A body of no bytes is not a member of any format; it means that there is no body.
    if (this.#empty) this.#finish(undefined)
    else this.#first.end()
  }

  fail(error: unknown): void {
    if (this.#done) return
    this.#close()
    this.#sink?.fail(error)
  }

  resume(): void {
    this.#last.resume()
  }

  cancel(reason: unknown): void {
    this.#close()
    this.#source.cancel(reason)
  }

  #finish(error: Error | undefined): void {
    if (this.#done) return
    this.#close()
    if (error === undefined) {
      this.#sink?.end()
    } else {
      this.#sink?.fail(new TypeError('terminated', { cause: error }))
      this.#source.cancel(error)
    }
  }

  #close(): void {
    this.#done = true
    this.#first.destroy()
    this.#last.destroy()
  }
}

/** `deflate`, with the header of zlib as RFC 9110, 8.4.1.2 has it, or without, as some servers do. */
class Inflate extends Transform {
  #inflate: zlib.Inflate | zlib.InflateRaw | undefined

  override _transform(chunk: Buffer, encoding: BufferEncoding, callback: TransformCallback): void {
    this.#inflate ??= this.#create(chunk[0] ?? 0)
    this.#inflate.write(chunk, encoding, callback)
  }

  override _flush(callback: TransformCallback): void {
    if (this.#inflate === undefined) {
      callback()
      return
    }
    this.#inflate.once('end', () => callback())
    this.#inflate.end()
  }

  // The low four bits of a zlib header are the method, and 8 is the only one (RFC 1950, 2.2).
  #create(first: number): zlib.Inflate | zlib.InflateRaw {
    const inflate = (first & 0x0f) === 0x08 ? zlib.createInflate(LENIENT) : zlib.createInflateRaw(LENIENT)
    inflate.on('data', (chunk: Buffer) => this.push(chunk))
    inflate.on('error', (error) => this.destroy(error))
    return inflate
  }
}
