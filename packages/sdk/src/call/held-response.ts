import { placeOf, type RawHeaders } from '../request/raw-headers.js'

/** Hears of a response that was held, at the pace that it sets. */
export interface HeldReader<Attempt> {
  /** Nothing is handed on any more. */
  readonly ended: boolean
  /** What it is told of a head. */
  headOf(attempt: Attempt, headers: Buffer[]): Buffer[]
  /** `false`: pause until `resume` is called. */
  tellHead(statusCode: number, headers: Buffer[], resume: () => void, statusMessage: string): boolean
  /** `false`: pause. */
  tellData(chunk: Buffer): boolean
  /** All has been handed on, trailers last. */
  heldEnd(trailers: Buffer[]): void
}

/** The length of a body by the head of its response, in bytes; 0: none, or it is not known. Allocates nothing. */
export function contentLengthOf(headers: RawHeaders): number {
  const value = headers[placeOf(headers, 'content-length')]
  if (value === undefined) return 0
  let length = 0
  for (let index = 0; index < value.length; index++) {
    const byte = value[index] ?? 0
    // It may end with some.
    if (byte === SPACE || byte === TAB) continue
    const digit = byte - ZERO
    if (digit < 0 || digit > 9) return 0
    length = length * 10 + digit
  }
  return length
}

const ZERO = 0x30
const SPACE = 0x20
const TAB = 0x09

/**
 * A response that has begun and not been handed on yet, so that another one can take its place if it breaks off: its head,
 * and what has come of its body. It is handed on with the first piece of that, or once it is whole.
 */
export class HeldResponse<Attempt> {
  /** Whose it is. */
  readonly attempt: Attempt
  readonly statusCode: number
  readonly #headers: Buffer[]
  readonly #resume: () => void
  readonly #statusMessage: string
  readonly #untilWhole: boolean
  /** The next piece; nearly always the only one, so that no list is made for it. */
  #next: Buffer | undefined
  /** Those behind it. */
  #more: Buffer[] | undefined
  #trailers: Buffer[] | undefined
  #reader: HeldReader<Attempt> | undefined
  /** Its reader has paused. */
  #paused = false

  constructor(
    attempt: Attempt,
    statusCode: number,
    headers: Buffer[],
    resume: () => void,
    statusMessage: string,
    untilWhole: boolean,
  ) {
    this.attempt = attempt
    this.statusCode = statusCode
    this.#headers = headers
    this.#resume = resume
    this.#statusMessage = statusMessage
    this.#untilWhole = untilWhole
  }

  /** Says whether it is to be handed on now. */
  add(chunk: Buffer): boolean {
    this.#append(chunk)
    return !this.#untilWhole
  }

  complete(trailers: Buffer[]): void {
    this.#trailers = trailers
    if (this.#reader !== undefined) this.#pass(this.#reader)
  }

  /** Hands on what has come. `false`: the reader has paused. */
  release(reader: HeldReader<Attempt>): boolean {
    this.#reader = reader
    const resume = (): void => this.#resumed(reader)
    const headers = reader.headOf(this.attempt, this.#headers)
    this.#paused = !reader.tellHead(this.statusCode, headers, resume, this.#statusMessage)
    this.#pass(reader)
    return !this.#paused
  }

  /** A piece that comes after the release. `false`: pause. */
  next(chunk: Buffer): boolean {
    this.#append(chunk)
    if (this.#reader !== undefined) this.#pass(this.#reader)
    return !this.#paused
  }

  /** A copy is not needed: undici allocates each chunk anew. */
  #append(chunk: Buffer): void {
    if (this.#next === undefined) this.#next = chunk
    else (this.#more ??= []).push(chunk)
  }

  #resumed(reader: HeldReader<Attempt>): void {
    this.#paused = false
    this.#pass(reader)
    if (this.#goesOn(reader)) this.#resume()
  }

  #pass(reader: HeldReader<Attempt>): void {
    while (this.#next !== undefined && this.#goesOn(reader)) {
      const chunk = this.#next
      this.#next = this.#more?.shift()
      this.#paused = !reader.tellData(chunk)
    }
    if (this.#trailers === undefined || !this.#goesOn(reader)) return
    const trailers = this.#trailers
    this.#trailers = undefined
    reader.heldEnd(trailers)
  }

  #goesOn(reader: HeldReader<Attempt>): boolean {
    return !this.#paused && !reader.ended
  }
}
