import { AsyncResource } from 'node:async_hooks'

// Node has no way to leave every AsyncLocalStorage: the next best is what was there before any request.
const own = new AsyncResource('FAIRLEAD')

/**
 * Runs work that is for no request in particular: watches, heartbeats, timers, connections. What it starts would
 * otherwise run in the async context (AsyncLocalStorage) of whichever request came first, for as long as it goes on:
 * tracing would count it to that request, and what the context refers to would never be freed.
 */
export function inOwnContext<T>(work: () => T): T {
  return own.runInAsyncScope(work)
}
