import type { Readable } from 'node:stream'
import { WatchedBody } from './watched-body.js'

/** Does the request stand still because the caller gives no more of its body? */
export function isHeldByItsBody(body: unknown): boolean {
  if (body instanceof WatchedBody) return body.awaited
  // undici pauses a stream while the endpoint does not read.
  const { readableFlowing, readableEnded } = (body ?? {}) as Partial<Readable>
  return readableFlowing === true && readableEnded === false
}
