import type { Outcome } from './outcome.js'

// By https://grpc.github.io/grpc/core/md_doc_statuscodes.html. Failures are those that Envoy counts, which takes what maps to
// a 5xx of HTTP, and Linkerd. But for UNIMPLEMENTED (501), which says nothing here: it is what a server of another service
// answers, or one that is older than its caller.
const OUTCOMES: ReadonlyMap<number, Outcome> = new Map<number, Outcome>([
  /* CANCELLED */ [1, 'ignored'],
  /* UNKNOWN */ [2, 'remote_failure'],
  /* DEADLINE_EXCEEDED */ [4, 'remote_failure'],
  /* RESOURCE_EXHAUSTED */ [8, 'overloaded'],
  /* UNIMPLEMENTED */ [12, 'ignored'],
  /* INTERNAL */ [13, 'remote_failure'],
  /* UNAVAILABLE */ [14, 'remote_failure'],
  /* DATA_LOSS */ [15, 'remote_failure'],
])

/** How an attempt went that its endpoint ended by this code of gRPC: all others are the caller's doing, and well answered. */
export function outcomeOfGrpcStatus(code: number): Outcome {
  return OUTCOMES.get(code) ?? 'success'
}
