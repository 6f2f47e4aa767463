import type { OutgoingBody } from './fetch-request.js'
import { OutgoingStream } from './outgoing-stream.js'

// Text, as programs put it into a Request. The type that a Request gives a string, that of URLSearchParams, and JSON.
const TEXT =
  /^(?:text\/plain;charset=UTF-8$|application\/x-www-form-urlencoded(?:;|$)|application\/(?:[\w.+-]+\+)?json(?:;|$))/i

/** The standard's bound for what may be held of a stream: https://fetch.spec.whatwg.org/#http-network-fetch. */
const READ_AHEAD_BYTES = 64 * 1024

/** Steps of promises that a chunk takes which is there already; measured on Node 20: 6, and 12 of a clone. */
const STEPS = 50

/** Is the body of this Request one that {@link takeBody} can tell from a stream? */
export function isTextual(contentType: string | null): boolean {
  return contentType !== null && TEXT.test(contentType)
}

/**
 * The body of a Request. A Request does not tell what it was made of, only a stream: what that gives without having to
 * wait was there already, and is sent with its length, and again if need be. As soon as it makes one wait it is a
 * stream.
 */
export async function takeBody(stream: ReadableStream<Uint8Array>): Promise<OutgoingBody> {
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  // A string is one chunk, however long. Many that are there at once may come from a source that never ends.
  while (chunks.length <= 1 || bytes <= READ_AHEAD_BYTES) {
    const next = reader.read()
    const result = await settledAtOnce(next)
    if (result === undefined) return new OutgoingStream(reader, chunks, next)
    if (result.done) return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    chunks.push(result.value)
    bytes += result.value.byteLength
  }
  return new OutgoingStream(reader, chunks)
}

async function settledAtOnce<T>(promise: Promise<T>): Promise<T | undefined> {
  const state = { settled: false }
  const settle = (): void => {
    state.settled = true
  }
  promise.then(settle, settle)
  for (let step = 0; step < STEPS; step++) {
    await Promise.resolve()
    if (state.settled) return promise
  }
  return undefined
}
