import type { Readable } from 'node:stream'
import { errors } from 'undici'
import { WatchedBody } from '../request/watched-body.js'

/** Did the request fail by itself, on any endpoint: refused by undici, or by the body the caller gave? */
export function isOfTheCaller(error: Error, body: unknown): boolean {
  return (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError ||
    // Calls are aborted by other means, so that this is undici's for a stream that was destroyed before its end.
    error instanceof errors.RequestAbortedError ||
    // A Blob that cannot be read: no socket throws these.
    error instanceof DOMException ||
    // A chunk that is none.
    (error as NodeJS.ErrnoException).code === 'ERR_INVALID_ARG_TYPE' ||
    failureOf(body) === error
  )
}

/** Did our own side fail: connections that we have closed, or a machine that has no more to give? */
export function isOfOurs(error: Error): boolean {
  return (
    error instanceof errors.ClientClosedError ||
    error instanceof errors.ClientDestroyedError ||
    adviceFor(error) !== undefined
  )
}

/** What this machine has not got for a connection, and what to do about that; undefined: it is something else. */
export function adviceFor(error: Error): string | undefined {
  return EXHAUSTED.get((error as NodeJS.ErrnoException).code)
}

/** Is it the response that cannot be read? Another endpoint would send the same. */
export function isOfTheResponse(error: Error): boolean {
  return error instanceof errors.HeadersOverflowError || error instanceof errors.HTTPParserError
}

/** Does the request stand still because the caller gives no more of its body? */
export function isHeldByItsBody(body: unknown): boolean {
  if (body instanceof WatchedBody) return body.awaited
  // undici pauses a stream while the endpoint does not read.
  const { readableFlowing, readableEnded } = (body ?? {}) as Partial<Readable>
  return readableFlowing === true && readableEnded === false
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

function failureOf(body: unknown): unknown {
  if (body instanceof WatchedBody) return body.failure
  return typeof body === 'object' && body !== null ? (body as Readable).errored : undefined
}
