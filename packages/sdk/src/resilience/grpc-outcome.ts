import type { Outcome } from './outcome.js'

/** Its caller's, or one of its own. */
export const DEADLINE_EXCEEDED = 4

// By https://grpc.github.io/grpc/core/md_doc_statuscodes.html. Failures are those that Envoy counts, which takes what maps to
// a 5xx of HTTP, and Linkerd. But for UNIMPLEMENTED (501), which says nothing here: it is what a server of another service
// answers, or one that is older than its caller.
const OUTCOMES: ReadonlyMap<number, Outcome> = new Map<number, Outcome>([
  /* CANCELLED */ [1, 'ignored'],
  /* UNKNOWN */ [2, 'remote_failure'],
  [DEADLINE_EXCEEDED, 'remote_failure'],
  /* RESOURCE_EXHAUSTED */ [8, 'overloaded'],
  /* UNIMPLEMENTED */ [12, 'ignored'],
  /* INTERNAL */ [13, 'remote_failure'],
  /* UNAVAILABLE */ [14, 'remote_failure'],
  /* DATA_LOSS */ [15, 'remote_failure'],
])

// What 429 and 503 are among those of HTTP: they may say how long not to ask.
const MAY_PUSH_BACK: ReadonlySet<number> = new Set([/* RESOURCE_EXHAUSTED */ 8, /* UNAVAILABLE */ 14])

/** The metadata, in trailers, by which a server says when to ask again. Source: gRPC A6, "Pushback". */
export const PUSHBACK_HEADER = 'grpc-retry-pushback-ms'

/** The header by which a caller says how long it waits. Source: gRPC over HTTP/2, "Timeout". */
export const TIMEOUT_HEADER = 'grpc-timeout'

/**
 * How an attempt went that its endpoint ended by this code of gRPC: all others are the caller's doing, and well answered.
 *
 * @param pushbackMs As of {@link grpcPushbackMs}: with one it is load, and no sickness.
 */
export function outcomeOfGrpcStatus(code: number, pushbackMs = 0): Outcome {
  return pushbackMs > 0 ? 'overloaded' : (OUTCOMES.get(code) ?? 'success')
}

/**
 * So many milliseconds the endpoint asks to be left alone; 0: it does not. A negative number, and what is none, ask not to
 * try that call again (A6), and say nothing of others.
 */
export function grpcPushbackMs(code: number, value: unknown): number {
  if (!MAY_PUSH_BACK.has(code) || typeof value !== 'string' || !/^\d{1,10}$/.test(value)) return 0
  return Number(value)
}
