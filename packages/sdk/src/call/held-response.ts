import type { Buffer } from 'node:buffer'

/** Hears of a response that was held, at the pace that it sets. */
export interface HeldReader {
  /** Nothing is handed on any more. */
  readonly ended: boolean
  /** `false`: pause until `resume` is called. */
  tellHead(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean
  /** `false`: pause. */
  tellData(chunk: Buffer): boolean
  /** All has been handed on, trailers last. */
  heldEnd(trailers: Buffer[]): void
}

const NAME = 'content-length'

/**
 * The length of a body by the head of its response, in bytes; 0: none, or it is not known. Headers are names and values
 * in turn.
 */
export function contentLengthOf(headers: readonly Buffer[]): number {
  for (let place = 0; place + 1 < headers.length; place += 2) {
    const name = headers[place]
    if (name?.length !== NAME.length || name.toString('latin1').toLowerCase() !== NAME) continue
    const length = Number(headers[place + 1]?.toString('latin1'))
    return length > 0 ? length : 0
  }
  return 0
}

/**
 * A response that has begun and not been handed on yet, so that another one can take its place if it breaks off: its head,
 * and what has come of its body. It is handed on once more than `limit` bytes have come, or it is whole.
 */
export class HeldResponse<Attempt> {
  /** Whose it is. */
  readonly attempt: Attempt
  readonly statusCode: number
  readonly #headers: Buffer[]
  readonly #resume: () => void
  readonly #statusMessage: string
  readonly #limit: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #trailers: Buffer[] | undefined
  #reader: HeldReader | undefined
  /** Its reader has paused. */
  #paused = false

  /** @param limit In bytes; `Infinity`: until it is whole. */
  constructor(
    attempt: Attempt,
    statusCode: number,
    headers: Buffer[],
    resume: () => void,
    statusMessage: string,
    limit: number,
  ) {
    this.attempt = attempt
    this.statusCode = statusCode
    this.#headers = headers
    this.#resume = resume
    this.#statusMessage = statusMessage
    this.#limit = limit
  }

  /** Says whether it is to be handed on now. */
  add(chunk: Buffer): boolean {
    // A copy is not needed: undici allocates each chunk anew.
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    return this.#bytes > this.#limit
  }

  complete(trailers: Buffer[]): void {
    this.#trailers = trailers
    if (this.#reader !== undefined) this.#pass(this.#reader)
  }

  /** Hands on what has come. `false`: the reader has paused. */
  release(reader: HeldReader, headers: (of: Buffer[]) => Buffer[]): boolean {
    this.#reader = reader
    const resume = (): void => this.#resumed(reader)
    this.#paused = !reader.tellHead(this.statusCode, headers(this.#headers), resume, this.#statusMessage)
    this.#pass(reader)
    return !this.#paused
  }

  /** A piece that comes after the release. `false`: pause. */
  next(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    if (this.#reader !== undefined) this.#pass(this.#reader)
    return !this.#paused
  }

  #resumed(reader: HeldReader): void {
    this.#paused = false
    this.#pass(reader)
    if (this.#goesOn(reader)) this.#resume()
  }

  #pass(reader: HeldReader): void {
    while (this.#goesOn(reader)) {
      const chunk = this.#chunks.shift()
      if (chunk === undefined) break
      this.#paused = !reader.tellData(chunk)
    }
    if (this.#trailers === undefined || !this.#goesOn(reader)) return
    const trailers = this.#trailers
    this.#trailers = undefined
    reader.heldEnd(trailers)
  }

  #goesOn(reader: HeldReader): boolean {
    return !this.#paused && !reader.ended
  }
}
