import { Readable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import type { OutgoingBody } from './fetch-request.js'
import { OutgoingStream } from './outgoing-stream.js'

export interface ExtractedBody {
  readonly body: OutgoingBody
  /** The `content-type` of a body whose request names none. */
  readonly type: string | undefined
}

export interface BodyOptions {
  readonly duplex: unknown
  readonly keepalive: boolean
}

/**
 * Extracts a body (https://fetch.spec.whatwg.org/#concept-bodyinit-extract), and keeps what came in: what is not a
 * stream can be sent again.
 *
 * @throws TypeError for a stream that has been read, or whose request does not say `duplex: 'half'`.
 */
export function extractBody(init: unknown, options: BodyOptions): ExtractedBody {
  if (typeof init === 'string') return { body: init, type: 'text/plain;charset=UTF-8' }
  if (typeof init === 'object' && init !== null) {
    if (init instanceof URLSearchParams) {
      return { body: init.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
    }
    // A copy: what the caller does with his array afterwards is not part of the request.
    if (init instanceof ArrayBuffer) return { body: new Uint8Array(init.slice(0)), type: undefined }
    if (ArrayBuffer.isView(init)) return { body: copyOf(init), type: undefined }
    if (init instanceof Blob) return { body: init, type: init.type === '' ? undefined : init.type }
    // Its type has a boundary, which its writer chooses.
    if (isFormData(init)) return { body: init, type: undefined }
    if (init instanceof ReadableStream || Symbol.asyncIterator in init) return streamed(init, options)
  }
  return { body: String(init), type: 'text/plain;charset=UTF-8' }
}

function streamed(init: object, { duplex, keepalive }: BodyOptions): ExtractedBody {
  if (keepalive) throw new TypeError('keepalive')
  if (isDisturbed(init) || (init as ReadableStream).locked) {
    throw new TypeError('Response body object should not be disturbed or locked')
  }
  if (duplex === undefined || duplex === null) {
    throw new TypeError('RequestInit: duplex option is required when sending a body.')
  }
  const stream =
    init instanceof ReadableStream
      ? (init as ReadableStream<Uint8Array>)
      : streamOf(init as AsyncIterable<unknown>)
  return { body: new OutgoingStream(stream.getReader()), type: undefined }
}

/** Chunks that are text become bytes, as a Node stream with an encoding gives it. */
function streamOf(source: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next: IteratorResult<unknown, unknown> = await iterator.next()
        if (next.done === true) controller.close()
        else controller.enqueue(isUint8Array(next.value) ? next.value : Buffer.from(next.value as string))
      },
      async cancel(reason) {
        await iterator.return?.(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

function isDisturbed(stream: object): boolean {
  return Readable.isDisturbed(stream as Readable)
}

function copyOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice()
}

/** Of this process, or of any copy of undici. */
function isFormData(value: object): value is FormData {
  return (
    value instanceof FormData ||
    ((value as Record<symbol, unknown>)[Symbol.toStringTag] === 'FormData' &&
      'append' in value &&
      'getAll' in value)
  )
}
