import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { errors } from 'undici'
import { valueIn } from '../request/raw-headers.js'
import { parserMisfit } from './parser-misfit.js'

/** What is used here of undici's response parser, one for each connection. undici's typings do not have it. */
interface Parser {
  readonly ptr: number | null
  readonly llhttp: {
    llhttp_resume(ptr: number | null): void
    llhttp_get_http_minor(ptr: number | null): number
    llhttp_set_lenient_chunked_length(ptr: number | null, on: 0 | 1): void
  }
  readonly socket: Socket
  readonly timeout: { refresh?(): void } | null
  /** Of the response that is being read; 0: its head is not complete. */
  statusCode: number
  paused: boolean
  headers: Buffer[]
  headersSize: number
  contentLength: string
  /** Ours: hears of a response behind which the connection is closed. */
  onLast?: (() => void) | undefined
  /** Ours: is llhttp told to take a Content-Length beside chunks? */
  lenient?: boolean
  /** Goes on after a pause, and does nothing without one. */
  resume(): void
  finish(): Error | null
  createError(code: number, data: Buffer): Error
  onHeadersComplete(statusCode: number, upgrade: boolean, shouldKeepAlive: boolean): number
  onMessageComplete(): number
}

/** What llhttp takes for "an error", and for "this message has no body". */
const FAILED = -1
const NO_BODY = 1

/**
 * Makes undici read responses on this connection as RFC 9112 has them. To be called when undici has taken the
 * connection over. undici 7 by itself
 *
 * - takes the reset of a connection for the regular end of a body that ends with its connection, and dies of an
 *   uncaught assertion where its reader had paused it;
 * - strips a transfer coding that it does not know, and hands the coded bytes on as the body;
 * - fails on a `100 Continue` that was not requested, on a 204 or 304 with a length, on a trailer `Content-Length`, and
 *   by an assertion on a status below 100.
 *
 * Done on the parser, as only there the framing is known: nothing of it can be told from the callbacks of a handler.
 * Where undici's parser is not the one that this is written for, nothing is touched and undici's own behaviour stays.
 *
 * @param onLast Hears of each response that says that its connection is closed behind it.
 * @returns What of the parser is not as expected; undefined: it is read by the book.
 */
export function readByTheBook(socket: Socket, onLast?: () => void): string | undefined {
  // A client that was closed meanwhile has not taken it over; HTTP/2 (`allowH2`) is read by another class.
  if (socket.destroyed || (socket as Partial<TLSSocket>).alpnProtocol === 'h2') return undefined
  const parser = parserOf(socket)
  const misfit = parserMisfit(parser, socket)
  if (misfit !== undefined) return misfit
  Object.assign(parser, { lenient: false, onLast, finish, createError, onHeadersComplete, onMessageComplete })
  socket.prependListener('end', () => atEnd(parser))
  return undefined
}

/** It is checked by `parserMisfit`, and called one before that. */
function parserOf(socket: Socket): Parser {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser')
  return (socket as unknown as Record<symbol, Parser>)[symbol ?? Symbol()] as Parser
}

/** The connection says that it has ended. All that has come is handed on by then. */
function atEnd(parser: Parser): void {
  parser.resume()
  // Only a reader's pause hides the end of the message, and there is nothing left to pause for.
  if (parser.paused) {
    parser.llhttp.llhttp_resume(parser.ptr)
    parser.paused = false
  }
  // libuv reports a reset that comes close behind the last bytes as a regular end. Writing nothing tells: the system
  // refuses that too on a connection that was reset, and then `errored` is set at once. Before node's own listener,
  // which refuses all writes from here on.
  if (parser.statusCode !== 0) parser.socket.write('')
}

function undicis(parser: Parser): Parser {
  return Object.getPrototypeOf(parser) as Parser
}

/** The connection has ended: has the message? */
function finish(this: Parser): Error | null {
  // RFC 9112, 8: a body that ends with its connection is not complete where the connection reports an error.
  return this.socket.errored ?? undicis(this).finish.call(this)
}

function createError(this: Parser, code: number, data: Buffer): Error {
  // In a head that does not parse, such as one with two lengths, there is no body yet that could mismatch.
  if (this.statusCode === 0) this.contentLength = ''
  return undicis(this).createError.call(this, code, data)
}

function onHeadersComplete(
  this: Parser,
  statusCode: number,
  upgrade: boolean,
  shouldKeepAlive: boolean,
): number {
  if (statusCode < 100) return refuse(this, `its status is ${String(statusCode).padStart(3, '0')}`)
  if (statusCode === 100 && !upgrade) return skip(this)
  if (!shouldKeepAlive && statusCode >= 200) this.onLast?.()
  // A length and a transfer coding in one head llhttp has refused, so that most heads need no look.
  const coding =
    this.contentLength === '' ? valueIn(this.headers, 'transfer-encoding')?.toLowerCase() : undefined
  if (coding === undefined)
    return undicis(this).onHeadersComplete.call(this, statusCode, upgrade, shouldKeepAlive)
  // RFC 9112, 6.1: chunked is the one that every recipient knows, it comes once, and we have requested no other.
  if (coding !== 'chunked') return refuse(this, `its Transfer-Encoding is ${JSON.stringify(coding)}`)
  // A trailer Content-Length frames nothing any more (RFC 9110, 6.5.1); llhttp would take it for that of a head.
  setLenient(this, true)
  // RFC 9112, 6.1: HTTP/1.0 has no transfer codings; what else is on such a connection cannot be trusted.
  const reusable = shouldKeepAlive && this.llhttp.llhttp_get_http_minor(this.ptr) !== 0
  return undicis(this).onHeadersComplete.call(this, statusCode, upgrade, reusable)
}

function onMessageComplete(this: Parser): number {
  // Where a length frames a body, llhttp has counted. Elsewhere it does not speak of what was read: that of a 304 is of
  // the body that it stands for, that of a 204 is a mistake (RFC 9112, 6.3, rule 1), and one in a trailer is nothing.
  this.contentLength = ''
  if (this.lenient === true) setLenient(this, false)
  return undicis(this).onMessageComplete.call(this)
}

function setLenient(parser: Parser, on: boolean): void {
  parser.lenient = on
  parser.llhttp.llhttp_set_lenient_chunked_length(parser.ptr, on ? 1 : 0)
}

/** A response that no other reading makes sense of: its connection ends. */
function refuse(parser: Parser, why: string): number {
  parser.socket.destroy(new errors.HTTPParserError(`the response is not valid HTTP/1.1: ${why}`))
  return FAILED
}

/** RFC 9110, 15.2: an interim response that was not requested may be ignored, and the final one follows. */
function skip(parser: Parser): number {
  parser.statusCode = 100
  parser.headers = []
  parser.headersSize = 0
  parser.timeout?.refresh?.()
  return NO_BODY
}
