import type { ClientInspection } from './inspect.js'

/** A client on one line of a log: what `inspect()` tells, counted. */
export interface ClientSummary {
  readonly service: string
  readonly resolver: string
  readonly freshness: string
  readonly endpoints: number
  readonly inflight: number
  readonly unavailable: number
}

/** Counts what a client is made of; a client of 10,000 instances takes no more room than one of one. */
export function summaryOf({ service, resolver, freshness, endpoints }: ClientInspection): ClientSummary {
  return {
    service,
    resolver,
    freshness,
    endpoints: endpoints.length,
    inflight: endpoints.reduce((sum, { inflight }) => sum + inflight, 0),
    unavailable: endpoints.filter(({ availability }) => availability.state === 'unavailable').length,
  }
}
