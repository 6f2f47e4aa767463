import type { ServerResponse } from 'node:http'

/** What `Keep-Alive: timeout=4` announces to clients that honor it, as undici and Node's own agent do. */
export const ANNOUNCED_IDLE_MS = 4000

/**
 * How long an idle connection is kept. Longer than most clients that ignore the announcement keep theirs, such as Go's
 * with 90 s, so that they close first. And longer than node:http takes to answer half a head with 408: its
 * `headersTimeout` of 60 s, checked every 30 s.
 */
export const KEPT_IDLE_MS = 100_000

/**
 * Lets the head of a response announce the timeout, if it says `keep-alive`: node:http writes what the server's
 * `keepAliveTimeout` was when the request came. Not in the typings, and in every version: `_storeHeader` of
 * lib/_http_outgoing.js.
 */
export function announceIdle(response: ServerResponse & { _keepAliveTimeout?: number }): void {
  response._keepAliveTimeout = ANNOUNCED_IDLE_MS
}
